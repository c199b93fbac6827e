// Convolutions and data gradients with windows two or three rows high that end in very few
// channels, from up to 64, in bf16: what conv_thin.cu does, meant for the speed of memory.
//
//   parts[p, w, (group, k, s)] = sum over row d and c of
//                                    source[p + d, w, c] * weights[group, k, (d, s), c]
//   out[p, q, group, k] = act(bias[k] + sum over s of parts[p, q + s, (group, k, s)])
//
// The layers out (64 -> 3) and the gradient of d.l1 (32 -> 3, stride 2). A window's columns are
// columns of the product: 3 x 3 of 16, or 6 x 3 of 24 where four groups share the source. Its rows
// are added up in the accumulators: a block walks down the picture, each of its warps owns 16
// columns and the unfinished sums of two or three output rows, and multiplies each source row once
// by the weights of all window rows, which it keeps in registers. A finished row of parts, a third
// of conv_thin's, passes through shared memory, where neighbours are added up, and leaves as one
// contiguous row of the picture.
//
// Bytes: source once, but for the rows above and below a block's 16 (from the L2 cache), and out.
// Operations: 2 * pixels * channels * 48. Bound by memory: three source rows, 2 KB a warp, are on
// their way while one is multiplied. About 110 instructions for 16 pixels; 9 us of issue in all.
// Predicted on an H200, batch 64: out 46 us (141 MB, floor 33), d.l1's gradient 10 us (23 MB,
// floor 5).
#include <algorithm>

#include "kernels/cuda/conv_launch.cuh"

namespace gan::cuda {
namespace {

constexpr int kMostWarps = 8;  // 128 source columns
constexpr int kDepth = 4;      // source rows in shared memory; a power of two
// Output rows of a block and group; a ninth of what is read is border.
constexpr int kChunkRows = 16;
constexpr int64_t kWantedBlocks = 264;  // two for each multiprocessor of an H200
// Floats between columns of the parts: 128 and a border of two. 4 modulo 16: the fragments'
// columns, two apart, then begin 8 banks apart.
constexpr int kPartPitch = 132;
constexpr int kMostTaps = 3;  // side by side

struct ThinRowsArgs {
  ConvShape shape;
  const gpu::bf16* source = nullptr;
  const gpu::bf16* weights = nullptr;  // as conv_pack leaves them
  const float* bias = nullptr;
  Activation act = Activation::none;
  bool accumulate = false;
  gpu::bf16* out = nullptr;

  int rows = 0;                    // output rows of the largest group
  int before_h = 0, before_w = 0;  // source rows and columns in front of an output pixel's own
  int chunk_rows = 0, chunks = 0;
  // A strip is the output columns (of a group) of a block. A single one begins at source column 0,
  // one of many at its border.
  int strip_columns = 0, strips = 0, strip_border = 0;
  struct Parity {
    int column0 = 0;  // of the product
    int taps_w = 0;
    int shift = 0;       // from an output column to its window's first part
  } parity[kMaxGroups];  // by row and column parity of the output pixel
  FastDivide by_channels;
};

// Where column `column` of the product comes from; group -1: nowhere.
struct ThinColumn {
  int group, k, s;
};
__device__ __forceinline__ ThinColumn thin_column(const ConvShape& shape, int column) {
  for (int g = 0; g < shape.groups; ++g) {
    const int taps = shape.group[g].taps_w, mine = taps * shape.out_c;
    if (column < mine) return {g, column / taps, column % taps};
    column -= mine;
  }
  return {-1, 0, 0};
}

// Channels c and c + 1 of window row d's weights.
__device__ __forceinline__ uint32_t thin_weights(const ThinRowsArgs& args, const ThinColumn& column,
                                                 int d, int c) {
  const ConvShape& shape = args.shape;
  if (column.group < 0 || c >= shape.source_c) return 0;
  const ConvGroup& group = shape.group[column.group];
  const int r = d - args.before_h + group.pad_h;
  if (r < 0 || r >= group.taps_h) return 0;
  const int tap = (column.k * group.taps_h + r) * group.taps_w + column.s;
  return gpu::bit_cast<uint32_t>(gpu::load_packet_nc<gpu::bf16, 2>(
      args.weights + group.weights + static_cast<int64_t>(tap) * shape.source_c + c));
}

// Adds up the parts of output row p of all groups and stores it.
__device__ __forceinline__ void finish_row(const ThinRowsArgs& args, int picture, int p, int q0,
                                           const float* parts) {
  const ConvShape& shape = args.shape;
  const int step = shape.out_step, x0 = q0 * step;  // step is 1 or 2
  const int left = shape.out_w - x0, most = args.strip_columns * step;
  const int count = (left < most ? left : most) * shape.out_c;
  for (int a = 0; a < step && p * step + a < shape.out_h; ++a) {
    const int64_t pixel0 =
        (static_cast<int64_t>(picture) * shape.out_h + p * step + a) * shape.out_w + x0;
    for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x)) {
      const int x = args.by_channels.quotient(i), k = i - x * shape.out_c;
      const auto& parity = args.parity[a * step + (x & (step - 1))];
      const float* const from = parts + (parity.column0 + k * parity.taps_w) * kPartPitch +
                                (x >> (step - 1)) + parity.shift;
      float v = args.bias ? gpu::ldg(args.bias + k) : 0.0f;
      GAN_UNROLL
      for (int s = 0; s < kMostTaps; ++s)
        if (s < parity.taps_w) v += from[s * (kPartPitch + 1)];
      v = activate(args.act, v);
      gpu::bf16* const to = args.out + (pixel0 + x) * shape.out_pitch + k;
      *to = gpu::to_bf16(args.accumulate ? gpu::to_float(*to) + v : v);
    }
  }
}

// Rows: of the windows. Tiles: of 8 columns. Steps: of 16 channels. Grid: strips fastest, then
// chunks, then pictures.
template <int Rows, int Tiles, int Steps>
__global__ void __launch_bounds__(32 * kMostWarps, 2) conv_thin_rows(const ThinRowsArgs args) {
  constexpr int kAcross = 2 * Steps, kStage = 16 * 8 * kAcross;  // packets of a pixel; elements
  const ConvShape& shape = args.shape;
  const int lane = gpu::lane_id(), warp = static_cast<int>(threadIdx.x) / 32;
  const auto threads = static_cast<int>(blockDim.x);
  gpu::Smem shared;
  gpu::bf16* const stages = shared.take<gpu::bf16>(threads / 32 * kDepth * kStage) +
                            warp * kDepth * kStage;  // this warp's
  float* const parts = shared.take<float>(2 * 8 * Tiles * kPartPitch);

  const auto block = static_cast<int>(blockIdx.x);
  const int strip = block % args.strips, chunk = block / args.strips % args.chunks;
  const int picture = block / args.strips / args.chunks;
  const int p0 = chunk * args.chunk_rows, q0 = strip * args.strip_columns;
  const int left = args.rows - p0;
  const int steps = (left < args.chunk_rows ? left : args.chunk_rows) + Rows - 1;
  const int first_w = q0 - args.strip_border + 16 * warp;  // of this warp

  const auto load = [&](int step) {
    const int h = p0 - args.before_h + step;
    const bool row_exists = static_cast<unsigned>(h) < static_cast<unsigned>(shape.source_h);
    const int64_t pixel0 = (static_cast<int64_t>(picture) * shape.source_h + h) * shape.source_w;
    GAN_UNROLL
    for (int i = 0; i < Steps; ++i) {
      const int pixel = (lane + 32 * i) / kAcross, packet = (lane + 32 * i) % kAcross;
      const int w = first_w + pixel;
      const bool inside = row_exists &&
                          static_cast<unsigned>(w) < static_cast<unsigned>(shape.source_w) &&
                          8 * packet < shape.source_c;
      gpu::cp_async<16>(
          stages + step % kDepth * kStage + 8 * swizzled<kAcross>(pixel, packet),
          inside ? args.source + (pixel0 + w) * shape.source_pitch + 8 * packet : args.source,
          inside ? 16 : 0);
    }
  };
  GAN_UNROLL
  for (int s = 0; s < kDepth - 1; ++s) {
    if (s < steps) load(s);
    gpu::cp_async_commit();
  }
  uint32_t weights[Rows][Steps][Tiles][2];
  GAN_UNROLL
  for (int n = 0; n < Tiles; ++n) {
    const ThinColumn column = thin_column(shape, 8 * n + lane / 4);
    GAN_UNROLL
    for (int d = 0; d < Rows; ++d) {
      GAN_UNROLL
      for (int s = 0; s < Steps; ++s) {
        const int c = 16 * s + lane % 4 * 2;
        weights[d][s][n][0] = thin_weights(args, column, d, c);
        weights[d][s][n][1] = thin_weights(args, column, d, c + 8);
      }
    }
  }
  // Parts left and right of the picture stay zero.
  for (int i = static_cast<int>(threadIdx.x); i < 2 * 8 * Tiles * kPartPitch; i += threads)
    parts[i] = 0;
  gpu::syncthreads();  // zeros | the parts written over them

  // Of the output rows that window row d of this source row belongs to.
  float sums[Rows][Tiles][4] = {};
  for (int step = 0; step < steps; ++step) {
    gpu::cp_async_wait<kDepth - 2>();  // this row's copies, the oldest, are there
    gpu::syncwarp();  // all lanes' copies of this row | their reads by the product;
                      // and the last row's reads | the copies that overwrite it
    if (step + kDepth - 1 < steps) load(step + kDepth - 1);
    gpu::cp_async_commit();  // possibly empty, so that the wait above always counts alike
    const gpu::bf16* const stage = stages + step % kDepth * kStage;
    GAN_UNROLL
    for (int s = 0; s < Steps; ++s) {
      uint32_t a[4];
      gpu::ldmatrix(a, stage + 8 * swizzled<kAcross>(lane % 16, 2 * s + lane / 16));
      GAN_UNROLL
      for (int d = 0; d < Rows; ++d) {
        GAN_UNROLL
        for (int n = 0; n < Tiles; ++n)
          gpu::mma_bf16(sums[d][n], a, weights[d][s][n][0], weights[d][s][n][1]);
      }
    }
    float* const row = parts + step % 2 * 8 * Tiles * kPartPitch;
    if (step >= Rows - 1) {
      GAN_UNROLL
      for (int n = 0; n < Tiles; ++n) {
        GAN_UNROLL
        for (int e = 0; e < 4; ++e) {
          const int column = 8 * n + lane % 4 * 2 + e % 2;
          row[column * kPartPitch + args.before_w - args.strip_border + 16 * warp + lane / 4 +
              e / 2 * 8] = sums[Rows - 1][n][e];
        }
      }
    }
    GAN_UNROLL
    for (int n = 0; n < Tiles; ++n) {
      GAN_UNROLL
      for (int e = 0; e < 4; ++e) {
        GAN_UNROLL
        for (int d = Rows - 1; d > 0; --d) sums[d][n][e] = sums[d - 1][n][e];
        sums[0][n][e] = 0;
      }
    }
    if (step < Rows - 1) continue;
    gpu::syncthreads();  // the row of parts is written | read; and the reads of the row before |
                         // the next row, which is written in its place
    finish_row(args, picture, p0 + step - (Rows - 1), q0, row);
  }
  gpu::cp_async_wait<0>();
}

struct Border {
  int before = 0, after = 0;
};
// What the groups' windows see around an output pixel's own place, down or across.
Border border(const ConvShape& shape, bool down) {
  Border b;
  for (int g = 0; g < shape.groups; ++g) {
    const ConvGroup& group = shape.group[g];
    const int pad = down ? group.pad_h : group.pad_w;
    b.before = std::max(b.before, pad);
    b.after = std::max(b.after, (down ? group.taps_h : group.taps_w) - 1 - pad);
  }
  return b;
}

int window_rows(const ConvShape& shape) {
  const Border b = border(shape, true);
  return b.before + 1 + b.after;
}

int product_columns(const ConvShape& shape) {
  int columns = 0;
  for (int g = 0; g < shape.groups; ++g) columns += shape.group[g].taps_w * shape.out_c;
  return columns;
}

template <int Rows, int Tiles, int Steps>
void launch(const ThinRowsArgs& args, int64_t pictures, int64_t warps, gpu::Stream stream) {
  const size_t shared_bytes = gpu::Smem::bytes<gpu::bf16>(warps * kDepth * 256 * Steps) +
                              gpu::Smem::bytes<float>(2 * 8 * Tiles * kPartPitch);
  gpu::launch(conv_thin_rows<Rows, Tiles, Steps>, pictures * args.chunks * args.strips, 32 * warps,
              shared_bytes, stream, args);
}

}  // namespace

bool thin_rows_supports(const ConvShape& shape) {
  const int rows = window_rows(shape), columns = product_columns(shape);
  const Border across = border(shape, false);
  return shape.stride == 1 && shape.source_c <= 64 && across.before + across.after < kMostTaps &&
         ((rows == 3 && columns <= 16) || (rows == 2 && columns <= 24));
}

void launch_thin_rows(const GemmArgs<gpu::bf16>& gemm, int64_t pictures, gpu::Stream stream) {
  const ConvShape& shape = gemm.shape;
  ThinRowsArgs args;
  args.shape = shape;
  args.source = gemm.source;
  args.weights = gemm.weights;
  args.bias = gemm.epilogue.bias;
  args.act = gemm.epilogue.act;
  args.accumulate = gemm.epilogue.accumulate;
  args.out = gemm.epilogue.out;
  const Border across = border(shape, false);
  args.before_h = border(shape, true).before;
  args.before_w = across.before;
  args.by_channels = FastDivide(shape.out_c);
  int columns = 0, column0 = 0;
  for (int g = 0; g < shape.groups; ++g) {
    const ConvGroup& group = shape.group[g];
    args.rows = std::max(args.rows, group.rows);
    columns = std::max(columns, group.columns);
    args.parity[group.first_h * shape.out_step + group.first_w] = {column0, group.taps_w,
                                                                   across.before - group.pad_w};
    column0 += group.taps_w * shape.out_c;
  }
  int64_t warps = ceil_div(std::max(shape.source_w, columns), 16);
  args.strips = 1;
  args.strip_columns = columns;
  if (warps > kMostWarps) {
    warps = kMostWarps;
    args.strip_border = across.before;
    args.strip_columns = 16 * kMostWarps - across.before - across.after;
    args.strips = static_cast<int>(ceil_div(columns, args.strip_columns));
  }
  args.chunk_rows = std::min(kChunkRows, args.rows);
  while (args.chunk_rows > 2 &&
         pictures * args.strips * ceil_div(args.rows, args.chunk_rows) < kWantedBlocks)
    args.chunk_rows = (args.chunk_rows + 1) / 2;
  args.chunks = static_cast<int>(ceil_div(args.rows, args.chunk_rows));

  const bool wide = shape.source_c > 32;
  if (window_rows(shape) == 2)
    wide ? launch<2, 3, 4>(args, pictures, warps, stream)
         : launch<2, 3, 2>(args, pictures, warps, stream);
  else if (product_columns(shape) > 8)
    wide ? launch<3, 2, 4>(args, pictures, warps, stream)
         : launch<3, 2, 2>(args, pictures, warps, stream);
  else
    wide ? launch<3, 1, 4>(args, pictures, warps, stream)
         : launch<3, 1, 2>(args, pictures, warps, stream);
}

}  // namespace gan::cuda
