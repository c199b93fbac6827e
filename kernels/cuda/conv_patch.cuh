// Tiles of output pixels, and what their windows see of a source with few channels: the patch.
//
// In shared memory, patch rows lie one below the other as source rows lie in global memory, pixel
// after pixel, channel after channel. A tile begins at a multiple of 16 output columns and a patch
// row at a multiple of 8 elements of the picture's row, so that a dense bf16 picture arrives in
// whole 16-byte packets, each inside the row or outside. What is outside is zero.
//
// The element at offset window_offset(k) behind the start of an output pixel's window is term k of
// its sum, k counting taps and channels. So a lane that always needs the same few k keeps their
// offsets in registers, and fragments of the unfolded source need no masks.
#pragma once

#include <algorithm>

#include "kernels/cuda/conv_problem.h"
#include "kernels/cuda/rows.cuh"

namespace gan::cuda {

struct PatchPlan {
  int rows = 0, columns = 0;  // output pixels of a tile; columns is a multiple of 16
  int down = 0, across = 0;   // tiles of a picture
  int tiles = 0;              // of all pictures
  int patch_rows = 0;
  int pitch = 0;   // elements between patch rows, a multiple of 8
  int origin = 0;  // element of the picture's row where the patch of column 0 begins
  int lead = 0;    // elements from there to the window of the tile's first pixel
  bool packets = false;
  FastDivide by_across, by_picture, by_packets, by_channels;
  FastDivide by_pieces;  // pieces of 16 columns in a row of a tile

  __host__ __device__ int elements() const { return patch_rows * pitch; }
  __host__ __device__ int pieces() const { return rows * columns / 16; }
};

struct PatchTile {
  int picture, p0, q0;  // the first output pixel
};
__device__ __forceinline__ PatchTile patch_tile(const PatchPlan& plan, int number) {
  const int picture = plan.by_picture.quotient(number);
  const int rest = number - picture * plan.down * plan.across;
  const int row = plan.by_across.quotient(rest);
  return {picture, row * plan.rows, (rest - row * plan.across) * plan.columns};
}

// Piece `number` of a tile: its row, and its first column.
struct PatchPiece {
  int row, column;
};
__device__ __forceinline__ PatchPiece patch_piece(const PatchPlan& plan, int number) {
  const int row = plan.by_pieces.quotient(number);
  return {row, 16 * number - row * plan.columns};
}

// From an output pixel's window start to term k of its sum; 0 past the last.
__device__ __forceinline__ int window_offset(const ConvShape& shape, const PatchPlan& plan, int k) {
  const ConvGroup& group = shape.group[0];
  if (k >= group.taps() * shape.source_c) return 0;
  const int tap = plan.by_channels.quotient(k), r = tap / group.taps_w;
  return r * plan.pitch + k - r * group.taps_w * shape.source_c;
}

// Where the window of the tile's pixel (row, column) starts in its patch.
__device__ __forceinline__ int window_start(const ConvShape& shape, const PatchPlan& plan, int row,
                                            int column) {
  return shape.stride * (row * plan.pitch + column * shape.source_c) + plan.lead;
}

// Starts the copies of a tile's patch; without packets it is there when this returns.
template <int Threads>
__device__ __forceinline__ void load_patch(const ConvShape& shape, const PatchPlan& plan,
                                           const PatchTile& tile, const gpu::bf16* source,
                                           gpu::bf16* patch) {
  const ConvGroup& group = shape.group[0];
  const int width = shape.source_w * shape.source_c, across = plan.pitch / 8;
  const int first_h = tile.p0 * shape.stride - group.pad_h;
  const int first_e = tile.q0 * shape.stride * shape.source_c + plan.origin;
  for (int i = static_cast<int>(threadIdx.x); i < plan.patch_rows * across; i += Threads) {
    const int row = plan.by_packets.quotient(i);
    const int h = first_h + row, e = first_e + 8 * (i - row * across);
    const bool row_exists = static_cast<unsigned>(h) < static_cast<unsigned>(shape.source_h);
    const int64_t pixel0 =
        (static_cast<int64_t>(tile.picture) * shape.source_h + h) * shape.source_w;
    if (plan.packets) {
      const bool inside = row_exists && static_cast<unsigned>(e) < static_cast<unsigned>(width);
      gpu::cp_async<16>(patch + 8 * i, inside ? source + pixel0 * shape.source_c + e : source,
                        inside ? 16 : 0);
      continue;
    }
    gpu::Packet<gpu::bf16> packet = {};
    GAN_UNROLL
    for (int j = 0; j < 8; ++j) {
      if (!row_exists || static_cast<unsigned>(e + j) >= static_cast<unsigned>(width)) continue;
      const int w = plan.by_channels.quotient(e + j);
      packet.v[j] =
          gpu::ldg(source + (pixel0 + w) * shape.source_pitch + e + j - w * shape.source_c);
    }
    gpu::store_packet(patch + 8 * i, packet);
  }
}

// Two elements of a patch as a word of a fragment; `low` has the lower index.
__device__ __forceinline__ uint32_t patch_pair(gpu::bf16 low, gpu::bf16 high) {
  return static_cast<uint32_t>(low.bits) | static_cast<uint32_t>(high.bits) << 16;
}

// Tiles of up to `pixels` output pixels, smaller ones where these would be fewer than `wanted`.
inline PatchPlan plan_patch(const ConvShape& shape, const void* source, int64_t pixels,
                            int64_t wanted) {
  const ConvGroup& group = shape.group[0];
  const int64_t pictures = group.pixels / (int64_t{group.rows} * group.columns);
  PatchPlan plan;
  plan.columns = std::min(64, static_cast<int>(ceil_div(group.columns, 16)) * 16);
  plan.across = static_cast<int>(ceil_div(group.columns, plan.columns));
  plan.rows = std::min(static_cast<int>(pixels) / plan.columns, group.rows);
  while (plan.rows > 1 && pictures * plan.across * ceil_div(group.rows, plan.rows) < wanted)
    plan.rows = (plan.rows + 1) / 2;
  plan.down = static_cast<int>(ceil_div(group.rows, plan.rows));
  plan.tiles = static_cast<int>(pictures * plan.across * plan.down);
  plan.patch_rows = (plan.rows - 1) * shape.stride + group.taps_h;
  const int begin = -group.pad_w * shape.source_c;  // of column 0's window
  plan.lead = (begin % 8 + 8) % 8;
  plan.origin = begin - plan.lead;
  const int length =
      plan.lead + ((plan.columns - 1) * shape.stride + group.taps_w) * shape.source_c;
  // 16 banks from one row to the next: a fragment's elements come from two of them.
  plan.pitch = static_cast<int>(ceil_div(length - 32, 64)) * 64 + 32;
  plan.packets = shape.source_pitch == shape.source_c && shape.source_w * shape.source_c % 8 == 0 &&
                 reinterpret_cast<uintptr_t>(source) % 16 == 0;
  plan.by_across = FastDivide(plan.across);
  plan.by_picture = FastDivide(plan.across * plan.down);
  plan.by_packets = FastDivide(plan.pitch / 8);
  plan.by_channels = FastDivide(shape.source_c);
  plan.by_pieces = FastDivide(plan.columns / 16);
  return plan;
}

}  // namespace gan::cuda
