// Between conv.cu, which launches, and the files that hold the kernels' instances.
#pragma once

#include "kernels/cuda/conv.h"
#include "kernels/cuda/conv_gemm.cuh"
#include "kernels/cuda/conv_wgrad.cuh"

namespace gan::cuda {

template <class Unit, ConvLoad Load>
void launch_gemm(const GemmArgs<typename Unit::Element>& args, gpu::Stream stream) {
  using Tile = typename Unit::Tile;
  static_assert(GemmMemory<Unit>::kBytes <= gpu::kMaxSharedBytes);
  int64_t pixels = 0;
  for (int g = 0; g < args.shape.groups; ++g)
    pixels = std::max<int64_t>(pixels, args.shape.group[g].pixels);
  const int64_t blocks_n = ceil_div(args.shape.out_c, Tile::kN);
  const gpu::Dim3 grid = {ceil_div(pixels, Tile::kM) * blocks_n, args.splits, args.shape.groups};
  if (args.in_clusters)
    gpu::launch_clusters(conv_gemm<Unit, Load>, grid, {1, args.splits}, Tile::kThreads,
                         GemmMemory<Unit>::kBytes, stream, args, blocks_n);
  else
    gpu::launch(conv_gemm<Unit, Load>, grid, Tile::kThreads, GemmMemory<Unit>::kBytes, stream, args,
                blocks_n);
}

template <class Unit, WgradLoad Load>
void launch_wgrad(const WgradArgs<typename Unit::Element>& args, gpu::Stream stream) {
  using Tile = typename Unit::Tile;
  const ConvGroup& group = args.shape.group[0];
  const int64_t blocks_m = ceil_div(args.shape.out_c, Tile::kM);
  const int64_t blocks_n = ceil_div(int64_t{group.taps()} * args.shape.source_c, Tile::kN);
  gpu::launch(conv_wgrad<Unit, Load>,
              {blocks_m * blocks_n, 1, ceil_div(group.pixels, args.split_pixels)}, Tile::kThreads,
              WgradMemory<Unit>::kBytes, stream, args, blocks_m);
}

// ---- The instances. Tiles: m128n128, m64n64; bf16's also m128n64 and m128n32. Gathering: one.

void gemm_bf16(const GemmArgs<gpu::bf16>& args, ConvTile tile, ConvLoad load, gpu::Stream stream);
// Tiles w256n128, w128n64, w128n64deep and w64n64, for weight gradients w256n128 and w128n128;
// loads copy and normalize.
void gemm_wgmma(const GemmArgs<gpu::bf16>& args, ConvTile tile, ConvLoad load, gpu::Stream stream);
void gemm_fp32(const GemmArgs<float>& args, ConvTile tile, ConvLoad load, gpu::Stream stream);
void gemm_tf32(const GemmArgs<float>& args, ConvTile tile, ConvLoad load, gpu::Stream stream);

void wgrad_bf16(const WgradArgs<gpu::bf16>& args, ConvTile tile, WgradLoad load,
                gpu::Stream stream);
void wgrad_wgmma(const WgradArgs<gpu::bf16>& args, ConvTile tile, WgradLoad load,
                 gpu::Stream stream);
void wgrad_fp32(const WgradArgs<float>& args, ConvTile tile, WgradLoad load, gpu::Stream stream);
void wgrad_tf32(const WgradArgs<float>& args, ConvTile tile, WgradLoad load, gpu::Stream stream);

// ---- Few output channels: sources in packets, no gate and no sums

bool thin_supports(const ConvShape& shape);
template <class T>
void launch_thin(const GemmArgs<T>& args, int64_t pictures, gpu::Stream stream);

// Windows of two or three rows, bf16: the same sources, without a prologue.
bool thin_rows_supports(const ConvShape& shape);
void launch_thin_rows(const GemmArgs<gpu::bf16>& args, int64_t pictures, gpu::Stream stream);

// ---- Few source channels, bf16: any alignment, no prologue, no gate and no sums

bool few_supports(const ConvShape& shape);
void launch_few(const GemmArgs<gpu::bf16>& args, gpu::Stream stream);

// The same shapes; the slope in packets. Parts as launch_wgrad leaves them, so many of them.
int64_t few_wgrad_splits(const ConvShape& shape);
void launch_few_wgrad(const WgradArgs<gpu::bf16>& args, gpu::Stream stream);

// ---- Weights

WeightJob data_gradient_job(const ConvGeometry& geometry, const ConvShape& shape, const Tensor& w,
                            void* to);

// The terms of one step of a weight gradient; splits are whole steps.
inline constexpr int kWgradStep = 32;

// ---- The second stages

struct SplitSum {
  const float* parts;  // [splits][rows][taps * columns]
  float* out;          // [rows][taps][columns], or mirrored: [columns][taps, last first][rows]
  int splits, rows, taps, columns;
  bool mirrored;
  Write write;
};
void reduce_splits(const SplitSum& sum, gpu::Stream stream);

// Of the partial sums that finish_tile left for tiles of tile_m pixels.
void finish_statistics(const ConvShape& shape, int tile_m, const float* partials, float* mean,
                       float* variance, gpu::Stream stream);
void finish_gradient_sums(const ConvShape& shape, int tile_m, const float* partials, float* sum,
                          float* sum_normalized, Write write, gpu::Stream stream);

}  // namespace gan::cuda
