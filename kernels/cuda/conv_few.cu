// Convolutions of pictures: very few source channels, many output channels, bf16.
//
//   out[pixel, k] = act(bias[k]
//                       + sum over taps and c of source[pixel + tap, c] * weights[k, tap, c])
//
// The layers enc1 and d.l1 (3 -> 64 and 32, stride 2) and out's data gradient (3 -> 64). The whole
// sum is 27 terms long: two tensor core steps. A block keeps the weights as fragments in registers,
// walks over tiles of output pixels, copies the next one's patch of the source (conv_patch.cuh)
// while it multiplies this one's, and builds the fragments of the unfolded source from the patch.
//
// Which output channel a column of the product means is free, so the columns are dealt such that a
// lane ends up with eight neighbouring channels of a pixel: 16 bytes, and four lanes fill 64. The
// sums go from the accumulators straight to global memory.
//
// Bytes: source once (tiles' borders from the L2 cache) and out. Operations: 2 * pixels * 32 *
// out_c. Bound by memory, nearly all of it writes; about 130 instructions of a warp for 16 pixels
// of 64 channels are 9 us of issue for out's data gradient. Predicted on an H200, batch 64: enc1
// 13 us (40 MB, floor 9), d.l1 9 us (23 MB, floor 5), out's data gradient 45 us (141 MB, floor 33).
#include "kernels/cuda/conv_launch.cuh"
#include "kernels/cuda/conv_patch.cuh"

namespace gan::cuda {
namespace {

constexpr int kFewThreads = 128;
constexpr int kFewPixels = 256;      // of a tile: four pieces of 16 for each warp
constexpr int64_t kFewBlocks = 528;  // four for each multiprocessor of an H200
constexpr int kFewChannels = 32;     // a lane's eight times four lanes
constexpr int kMostSourceChannels = 4, kMostTerms = 48;

struct FewArgs {
  ConvShape shape;
  PatchPlan plan;
  const gpu::bf16* source = nullptr;
  const gpu::bf16* weights = nullptr;  // [out_c][taps * source_c]
  const float* bias = nullptr;
  Activation act = Activation::none;
  bool accumulate = false, vectors = false;
  gpu::bf16* out = nullptr;
};

// Terms k and k + 1 of a channel's weights.
__device__ __forceinline__ uint32_t weight_pair(const FewArgs& args, int channel, int k) {
  const int length = args.shape.group[0].taps() * args.shape.source_c;
  gpu::bf16 pair[2] = {};
  GAN_UNROLL
  for (int i = 0; i < 2; ++i)
    if (channel < args.shape.out_c && k + i < length)
      pair[i] = gpu::ldg(args.weights + static_cast<int64_t>(channel) * length + k + i);
  return patch_pair(pair[0], pair[1]);
}

// Eight channels of a pixel, of which `count` exist.
__device__ __forceinline__ void store_few(const FewArgs& args, gpu::bf16* to, int count,
                                          float (&v)[8]) {
  if (count <= 0) return;
  const bool whole = args.vectors && count >= 8;
  activate_all(args.act, v);
  if (args.accumulate) {
    float old[8];
    load_some(to, count, whole, old);
    GAN_UNROLL
    for (int i = 0; i < 8; ++i) v[i] += old[i];
  }
  if (whole) {
    gpu::store_packet(to, pack(v));
    return;
  }
  GAN_UNROLL
  for (int i = 0; i < 8; ++i)
    if (i < count) to[i] = gpu::to_bf16(v[i]);
}

// Steps: of 16 terms. Parts: of 32 channels; with two, four blocks a multiprocessor would make the
// compiler spill for sm_80 to sm_89, and for sm_90a it leaves room for four unasked.
// Grid: (blocks that share the tiles; output channels).
template <int Steps, int Parts>
__global__ void __launch_bounds__(kFewThreads, Parts == 1 ? 4 : 3) conv_few(const FewArgs args) {
  const ConvShape& shape = args.shape;
  const PatchPlan& plan = args.plan;
  gpu::Smem shared;
  gpu::bf16* const patches = shared.take<gpu::bf16>(2 * plan.elements());
  float* const bias = shared.take<float>(kFewChannels * Parts);
  const int lane = gpu::lane_id(), warp = static_cast<int>(threadIdx.x) / 32;
  const int channel0 = static_cast<int>(blockIdx.y) * kFewChannels * Parts;
  const auto stride = static_cast<int>(gridDim.x);

  int tile_number = static_cast<int>(blockIdx.x);
  load_patch<kFewThreads>(shape, plan, patch_tile(plan, tile_number), args.source, patches);
  gpu::cp_async_commit();

  // Column 2t + e of fragment n means channel 8t + 2n + e: lane t of four holds columns 2t, 2t + 1.
  uint32_t weights[Steps][4 * Parts][2];
  int offset[Steps][4];
  GAN_UNROLL
  for (int s = 0; s < Steps; ++s) {
    const int k = 16 * s + lane % 4 * 2;
    GAN_UNROLL
    for (int n = 0; n < 4 * Parts; ++n) {
      const int channel = channel0 + n / 4 * kFewChannels + lane / 8 * 8 + n % 4 * 2 + lane / 4 % 2;
      weights[s][n][0] = weight_pair(args, channel, k);
      weights[s][n][1] = weight_pair(args, channel, k + 8);
    }
    offset[s][0] = window_offset(shape, plan, k);
    offset[s][1] = window_offset(shape, plan, k + 1);
    offset[s][2] = window_offset(shape, plan, k + 8);
    offset[s][3] = window_offset(shape, plan, k + 9);
  }
  for (int i = static_cast<int>(threadIdx.x); i < kFewChannels * Parts; i += kFewThreads)
    bias[i] = args.bias && channel0 + i < shape.out_c ? gpu::ldg(args.bias + channel0 + i) : 0.0f;

  for (int stage = 0; tile_number < plan.tiles; tile_number += stride, stage ^= 1) {
    if (tile_number + stride < plan.tiles)
      load_patch<kFewThreads>(shape, plan, patch_tile(plan, tile_number + stride), args.source,
                              patches + (stage ^ 1) * plan.elements());
    gpu::cp_async_commit();  // possibly empty, so that the wait below always counts alike
    gpu::cp_async_wait<1>();
    gpu::syncthreads();  // all threads' copies of this patch, and the biases | their reads below
    const PatchTile tile = patch_tile(plan, tile_number);
    for (int number = warp; number < plan.pieces(); number += kFewThreads / 32) {
      const PatchPiece piece = patch_piece(plan, number);
      const int p = tile.p0 + piece.row, q = tile.q0 + piece.column + lane / 4;
      if (p >= shape.out_h) break;
      // Rows lane / 4 and lane / 4 + 8 of the fragment.
      const gpu::bf16* const window = patches + stage * plan.elements() +
                                      window_start(shape, plan, piece.row, piece.column + lane / 4);
      const gpu::bf16* const right = window + 8 * shape.stride * shape.source_c;
      float sums[4 * Parts][4];
      GAN_UNROLL
      for (int n = 0; n < 4 * Parts; n += 2) {
        const auto first = gpu::load_packet(bias + n / 4 * kFewChannels + lane % 4 * 8 + n % 4 * 2);
        GAN_UNROLL
        for (int e = 0; e < 8; ++e) sums[n + e / 4][e % 4] = first.v[e / 4 * 2 + e % 2];
      }
      GAN_UNROLL
      for (int s = 0; s < Steps; ++s) {
        const uint32_t a[4] = {patch_pair(window[offset[s][0]], window[offset[s][1]]),
                               patch_pair(right[offset[s][0]], right[offset[s][1]]),
                               patch_pair(window[offset[s][2]], window[offset[s][3]]),
                               patch_pair(right[offset[s][2]], right[offset[s][3]])};
        GAN_UNROLL
        for (int n = 0; n < 4 * Parts; ++n)
          gpu::mma_bf16(sums[n], a, weights[s][n][0], weights[s][n][1]);
      }
      GAN_UNROLL
      for (int half = 0; half < 2; ++half) {
        if (q + 8 * half >= shape.out_w) continue;
        const int channel = channel0 + lane % 4 * 8;
        gpu::bf16* const to =
            args.out +
            ((static_cast<int64_t>(tile.picture) * shape.out_h + p) * shape.out_w + q + 8 * half) *
                shape.out_pitch +
            channel;
        GAN_UNROLL
        for (int part = 0; part < Parts; ++part) {
          float v[8];
          GAN_UNROLL
          for (int i = 0; i < 8; ++i) v[i] = sums[4 * part + i / 2][2 * half + i % 2];
          store_few(args, to + part * kFewChannels, shape.out_c - channel - part * kFewChannels, v);
        }
      }
    }
    gpu::syncthreads();  // this patch was read | the copies that overwrite it
  }
}

template <int Steps, int Parts>
void launch(const FewArgs& args, gpu::Stream stream) {
  gpu::launch(conv_few<Steps, Parts>,
              {std::min<int64_t>(args.plan.tiles, kFewBlocks),
               ceil_div(args.shape.out_c, kFewChannels * Parts)},
              kFewThreads,
              gpu::Smem::bytes<gpu::bf16>(2 * args.plan.elements()) +
                  gpu::Smem::bytes<float>(kFewChannels * Parts),
              stream, args);
}

}  // namespace

bool few_supports(const ConvShape& shape) {
  return shape.groups == 1 && shape.out_step == 1 && shape.source_c <= kMostSourceChannels &&
         shape.group[0].taps() * shape.source_c <= kMostTerms;
}

void launch_few(const GemmArgs<gpu::bf16>& gemm, gpu::Stream stream) {
  FewArgs args;
  args.shape = gemm.shape;
  args.plan = plan_patch(gemm.shape, gemm.source, kFewPixels, kFewBlocks);
  args.source = gemm.source;
  args.weights = gemm.weights;
  args.bias = gemm.epilogue.bias;
  args.act = gemm.epilogue.act;
  args.accumulate = gemm.epilogue.accumulate;
  args.vectors = gemm.epilogue.vectors;
  args.out = gemm.epilogue.out;
  const bool narrow = gemm.shape.out_c <= kFewChannels;
  if (gemm.shape.group[0].taps() * gemm.shape.source_c > 32)
    launch<3, 1>(args, stream);
  else if (narrow)
    launch<2, 1>(args, stream);
  else
    launch<2, 2>(args, stream);
}

}  // namespace gan::cuda
