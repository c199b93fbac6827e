// The weight gradient of convolutions with very few source channels, bf16.
//
//   dw[k, (tap, c)] = sum over output pixels m of slope[m, k] * source[pixel(m) + tap, c]
//
// The layers enc1 and d.l1 (3 channels, stride 2), and, mirrored, out, whose three channels are the
// source then. 27 columns, 32 or 64 rows, up to a million terms: the slope is read once and is all
// there is to read. A block walks over tiles of pixels (conv_patch.cuh); cp.async brings their
// slope and the patch of the source two tiles ahead. Each warp takes every fourth piece of 16
// pixels and adds up all rows and columns in registers; the fragments of the unfolded source come
// from the patch. At the end the four warps' sums are added in order, and a block's part goes to
// scratch memory for reduce_splits.
//
// Bytes: slope and source once (tiles' borders from the L2 cache), and 8 bytes per part and weight.
// Operations: 2 * pixels * 32 * out_c. Bound by memory; shared memory takes half as long (32 of its
// clocks for 16 pixels of 64 channels). Predicted on an H200, batch 64: enc1 15 us, d.l1 11 us, out
// 46 us (floors 9, 5, 33), with 2 us for the second stage.
#include "kernels/cuda/conv_launch.cuh"
#include "kernels/cuda/conv_patch.cuh"

namespace gan::cuda {
namespace {

constexpr int kFewThreads = 128, kFewWarps = kFewThreads / 32;
constexpr int kFewPixels = 128;      // of a tile
constexpr int kFewStages = 3;        // 16 KB each for 64 channels: three blocks on a multiprocessor
constexpr int64_t kFewSplits = 396;  // three blocks for each multiprocessor of an H200

struct FewWgradArgs {
  ConvShape shape;  // of the forward convolution source -> slope
  PatchPlan plan;
  const gpu::bf16* source = nullptr;
  const gpu::bf16* slope = nullptr;
  float* parts = nullptr;  // [splits][out_c][taps * source_c]
  int split_tiles = 0;
};

// Rows: output channels of a block. Columns: a multiple of 8.
template <int Rows, int Columns>
struct FewWgradMemory {
  static constexpr int kStage = Rows * kFewPixels;  // elements of slope
  static constexpr int kPitch = Columns + 8;        // of a warp's sums
  // The stages of slope and patches, and after the last tile the warps' sums in their place.
  static __host__ __device__ __forceinline__ int bytes(const PatchPlan& plan) {
    const int stages =
        static_cast<int>(sizeof(gpu::bf16)) * kFewStages * (kStage + plan.elements());
    const int sums = static_cast<int>(sizeof(float)) * kFewWarps * Rows * kPitch;
    return stages > sums ? stages : sums;
  }
};

// Starts the copies of a tile's slope, [pixels][Rows]; pixels and channels that do not exist are
// zero. A thread's packets are kStep pixels apart: its place among the swizzled packets of 16 pixels
// stays, its column moves on and sometimes wraps.
template <int Rows>
__device__ __forceinline__ void load_slope(const FewWgradArgs& args, const PatchTile& tile,
                                           int channel0, gpu::bf16* to) {
  constexpr int kAcross = Rows / 8, kStep = kFewThreads / kAcross;
  static_assert(kStep % 16 == 0, "the swizzle repeats");
  const ConvShape& shape = args.shape;
  const int chunk = static_cast<int>(threadIdx.x) % kAcross;
  const int first = static_cast<int>(threadIdx.x) / kAcross, channel = channel0 + 8 * chunk;
  const int columns_left = shape.out_w - tile.q0;
  const int rows_left = channel < shape.out_c ? shape.out_h - tile.p0 : 0;
  const int64_t pixel0 =
      (static_cast<int64_t>(tile.picture) * shape.out_h + tile.p0) * shape.out_w + tile.q0 + first;
  const gpu::bf16* from = args.slope + pixel0 * shape.out_pitch + channel;
  const int64_t step = kStep * shape.out_pitch;
  const int64_t wrap = (shape.out_w - args.plan.columns) * shape.out_pitch;
  to += 8 * swizzled<kAcross>(first, chunk);
  int row = 0, column = first;
  for (int pixel = first; pixel < 16 * args.plan.pieces(); pixel += kStep) {
    while (column >= args.plan.columns) {
      column -= args.plan.columns;
      from += wrap;
      ++row;
    }
    const bool inside = row < rows_left && column < columns_left;
    gpu::cp_async<16>(to, inside ? from : args.slope, inside ? 16 : 0);
    to += kStep * Rows;
    from += step;
    column += kStep;
  }
}

// Grid: (splits; blocks of output channels).
template <int Rows, int Columns>
__global__ void __launch_bounds__(kFewThreads, 3) conv_few_wgrad(const FewWgradArgs args) {
  using Memory = FewWgradMemory<Rows, Columns>;
  const ConvShape& shape = args.shape;
  const PatchPlan& plan = args.plan;
  gpu::Smem shared;
  auto* const memory = shared.take<unsigned char>(Memory::bytes(plan));
  auto* const slopes = reinterpret_cast<gpu::bf16*>(memory);
  gpu::bf16* const patches = slopes + kFewStages * Memory::kStage;
  const int lane = gpu::lane_id(), warp = static_cast<int>(threadIdx.x) / 32;
  const int channel0 = static_cast<int>(blockIdx.y) * Rows;
  const int first = static_cast<int>(blockIdx.x) * args.split_tiles;
  const int left = plan.tiles - first;
  const int tiles = left < args.split_tiles ? left : args.split_tiles;

  const auto load = [&](int number, int stage) {
    const PatchTile tile = patch_tile(plan, first + number);
    load_slope<Rows>(args, tile, channel0, slopes + stage * Memory::kStage);
    load_patch<kFewThreads>(shape, plan, tile, args.source, patches + stage * plan.elements());
  };
  // A lane's elements of the second operand: column 8n + lane / 4 of pixels 2t, 2t + 1, 2t + 8 and
  // 2t + 9 of a piece, where t = lane % 4.
  const int pixel_step = shape.stride * shape.source_c;
  int offset[Columns / 8];
  GAN_UNROLL
  for (int n = 0; n < Columns / 8; ++n)
    offset[n] = window_offset(shape, plan, 8 * n + lane / 4) + lane % 4 * 2 * pixel_step;

  float sums[Rows / 16][Columns / 8][4] = {};
  GAN_UNROLL
  for (int s = 0; s < kFewStages - 1; ++s) {
    if (s < tiles) load(s, s);
    gpu::cp_async_commit();
  }
  int using_stage = 0, filling_stage = kFewStages - 1;
  for (int number = 0; number < tiles; ++number) {
    gpu::cp_async_wait<kFewStages - 2>();  // this tile's copies, the oldest, are there
    gpu::syncthreads();  // all threads' copies of this tile | their reads by the product;
                         // and the last tile's reads | the copies that overwrite it
    if (number + kFewStages - 1 < tiles) load(number + kFewStages - 1, filling_stage);
    gpu::cp_async_commit();  // possibly empty, so that the wait above always counts alike
    const gpu::bf16* const slope = slopes + using_stage * Memory::kStage;
    const gpu::bf16* const patch = patches + using_stage * plan.elements();
    for (int i = warp; i < plan.pieces(); i += kFewWarps) {
      const PatchPiece piece = patch_piece(plan, i);
      const gpu::bf16* const window = patch + window_start(shape, plan, piece.row, piece.column);
      uint32_t a[Rows / 16][4];
      GAN_UNROLL
      for (int m = 0; m < Rows / 16; ++m)
        gpu::ldmatrix_trans(a[m], slope + 8 * swizzled<Rows / 8>(16 * i + lane % 8 + lane / 16 * 8,
                                                                 2 * m + lane / 8 % 2));
      GAN_UNROLL
      for (int n = 0; n < Columns / 8; ++n) {
        const gpu::bf16* const from = window + offset[n];
        const uint32_t b0 = patch_pair(from[0], from[pixel_step]);
        const uint32_t b1 = patch_pair(from[8 * pixel_step], from[9 * pixel_step]);
        GAN_UNROLL
        for (int m = 0; m < Rows / 16; ++m) gpu::mma_bf16(sums[m][n], a[m], b0, b1);
      }
    }
    using_stage = using_stage + 1 == kFewStages ? 0 : using_stage + 1;
    filling_stage = filling_stage + 1 == kFewStages ? 0 : filling_stage + 1;
  }
  gpu::cp_async_wait<0>();
  gpu::syncthreads();  // the last tile's reads | the sums written in its place
  auto* const warp_sums = reinterpret_cast<float*>(memory);
  GAN_UNROLL
  for (int m = 0; m < Rows / 16; ++m) {
    GAN_UNROLL
    for (int n = 0; n < Columns / 8; ++n) {
      float* const to =
          warp_sums + (warp * Rows + 16 * m + lane / 4) * Memory::kPitch + 8 * n + lane % 4 * 2;
      gpu::store_packet(to, gpu::Packet<float, 2>{{sums[m][n][0], sums[m][n][1]}});
      gpu::store_packet(to + 8 * Memory::kPitch,
                        gpu::Packet<float, 2>{{sums[m][n][2], sums[m][n][3]}});
    }
  }
  gpu::syncthreads();  // every warp's sums are written | read below

  const int columns = shape.group[0].taps() * shape.source_c;
  for (int i = static_cast<int>(threadIdx.x); i < Rows * Columns; i += kFewThreads) {
    const int row = i / Columns, column = i % Columns;
    if (channel0 + row >= shape.out_c || column >= columns) continue;
    float total = 0;
    GAN_UNROLL
    for (int w = 0; w < kFewWarps; ++w)
      total += warp_sums[(w * Rows + row) * Memory::kPitch + column];
    const int64_t out_row = static_cast<int64_t>(blockIdx.x) * shape.out_c + channel0 + row;
    args.parts[out_row * columns + column] = total;
  }
}

template <int Rows, int Columns>
void launch(const FewWgradArgs& args, int64_t splits, gpu::Stream stream) {
  gpu::launch(conv_few_wgrad<Rows, Columns>, {splits, ceil_div(args.shape.out_c, Rows)},
              kFewThreads,
              gpu::Smem::bytes<unsigned char>(FewWgradMemory<Rows, Columns>::bytes(args.plan)),
              stream, args);
}

PatchPlan plan_tiles(const ConvShape& shape, const void* source) {
  return plan_patch(shape, source, kFewPixels, kFewSplits);
}
// Of one split: no more splits than kFewSplits.
int64_t tiles_per_split(const PatchPlan& plan) {
  return ceil_div(plan.tiles, kFewSplits);
}

}  // namespace

int64_t few_wgrad_splits(const ConvShape& shape) {
  const PatchPlan plan = plan_tiles(shape, nullptr);
  return ceil_div(plan.tiles, tiles_per_split(plan));
}

void launch_few_wgrad(const WgradArgs<gpu::bf16>& wgrad, gpu::Stream stream) {
  FewWgradArgs args;
  args.shape = wgrad.shape;
  args.plan = plan_tiles(wgrad.shape, wgrad.source);
  args.source = wgrad.source;
  args.slope = wgrad.slope;
  args.parts = wgrad.parts;
  args.split_tiles = static_cast<int>(tiles_per_split(args.plan));
  const int64_t splits = ceil_div(args.plan.tiles, args.split_tiles);
  const bool short_sum = wgrad.shape.group[0].taps() * wgrad.shape.source_c <= 32;
  if (wgrad.shape.out_c <= 32)
    short_sum ? launch<32, 32>(args, splits, stream) : launch<32, 48>(args, splits, stream);
  else
    short_sum ? launch<64, 32>(args, splits, stream) : launch<64, 48>(args, splits, stream);
}

}  // namespace gan::cuda
