// Convolutions and data gradients that end in very few channels: a picture.
//
//   parts[j, (group, k, tap)] = sum over c of source[j, c] * weights[group, k, tap, c]
//   out[pixel, k] = act(bias[k] + sum over taps of parts[pixel + tap, (group, k, tap)])
//
// The layers out (64 -> 3), the demo's t4 (32 -> 3 transposed) and the gradient with respect to a
// picture, in float32; in bf16 what conv_thin_rows.cu leaves: a prologue, other windows, more
// channels. conv_gemm would read every source pixel once per tap and leave most columns of its
// product unused. Here the taps are columns of the product: 9 x 3 of 32, and each source pixel
// meets all of them at once, straight from global memory. Then neighbours' parts, which a block
// keeps in shared memory for a region of pixels with a border, are added up.
//
// Bytes: source once (border pixels up to 1.27 times, from the L2 cache) and out. Operations:
// 2 * pixels * taps * channels. Measured for layer out (128x128, 64 -> 3, batch 64;
// 134 MB in, 6 MB out) in bf16 on an H200: 145 us, where memory needs 33: every part is stored and
// read by itself, some 6,000 instructions of a warp for a region.
#include "kernels/cuda/conv_launch.cuh"

namespace gan::cuda {
namespace {

constexpr int kRegion = 16;  // output rows and columns of a block, per group; the border is 27 % of
                             // what is read, and the parts of 27 columns take 35 KB
constexpr int kThinThreads = 128;  // four warps take the 11 pieces of 32 pixels in three rounds
constexpr int kPiece = 32;         // pixels a warp multiplies at once: two fragments share weights
constexpr int kColumns = 32;       // of the product

template <class T>
struct ThinArgs {
  ConvShape shape;
  const T* source = nullptr;
  const T* weights = nullptr;  // [columns][source_c], as conv_pack leaves them
  PrologueArgs prologue;
  const float* bias = nullptr;
  Activation act = Activation::none;
  bool accumulate = false;
  T* out = nullptr;

  int columns = 0;                 // taps of all groups x out_c
  int before_h = 0, before_w = 0;  // border in front of the region
  int width = 0, pixels = 0;       // of the region with its border
  int pitch = 0;                   // floats between columns of the parts
  int weight_pitch = 0;            // elements between rows of the weights in shared memory
  int regions_h = 0, regions_w = 0;
  FastDivide by_width;
};

// Source pixel number `pixel` of the region, or null outside the
// picture.
template <class T>
__device__ __forceinline__ const T* region_pixel(const ThinArgs<T>& args, int picture, int h0,
                                                 int w0, int pixel) {
  const int row = args.by_width.quotient(pixel);
  const int h = h0 + row, w = w0 + pixel - row * args.width;
  const bool inside = pixel < args.pixels &&
                      static_cast<unsigned>(h) < static_cast<unsigned>(args.shape.source_h) &&
                      static_cast<unsigned>(w) < static_cast<unsigned>(args.shape.source_w);
  if (!inside) return nullptr;
  return args.source +
         ((static_cast<int64_t>(picture) * args.shape.source_h + h) * args.shape.source_w + w) *
             args.shape.source_pitch;
}

// The packet at channel `channel` of a pixel, normalized; zeros where there is none.
template <class T>
__device__ __forceinline__ gpu::Packet<T> thin_packet(const ThinArgs<T>& args, const T* pixel,
                                                      int channel) {
  constexpr int kVector = 16 / sizeof(T);
  gpu::Packet<T> packet = {};
  if (!pixel || channel >= args.shape.source_c) return packet;
  packet = gpu::load_packet_nc(pixel + channel);
  if (args.prologue.scale) {
    float v[kVector];
    unpack(packet, v);
    normalize_values(args.prologue, channel, v);
    packet = pack(v);
  }
  return packet;
}

// bf16: tensor cores. A lane's packet holds channels c..c+7 of a pixel; the sum index may be in any
// order that both operands share, so that its four words serve as the fragments of two products.
__device__ __forceinline__ void multiply_region(const ThinArgs<gpu::bf16>& args, int picture,
                                                int h0, int w0, const gpu::bf16* weights,
                                                float* parts) {
  const int lane = gpu::lane_id(), warp = static_cast<int>(threadIdx.x) / 32;
  for (int first = warp * kPiece; first < args.pixels; first += kThinThreads / 32 * kPiece) {
    const gpu::bf16* pixel[4];
    GAN_UNROLL
    for (int i = 0; i < 4; ++i)
      pixel[i] = region_pixel(args, picture, h0, w0, first + 8 * i + lane / 4);
    float sums[2][kColumns / 8][4] = {};
    for (int c0 = 0; c0 < args.shape.source_c; c0 += 32) {
      const int c = c0 + lane % 4 * 8;
      gpu::Packet<uint32_t> a[4];
      GAN_UNROLL
      for (int i = 0; i < 4; ++i)
        a[i] = gpu::bit_cast<gpu::Packet<uint32_t>>(thin_packet(args, pixel[i], c));
      GAN_UNROLL
      for (int n = 0; n < kColumns / 8; ++n) {
        const auto b = gpu::bit_cast<gpu::Packet<uint32_t>>(
            gpu::load_packet(weights + (8 * n + lane / 4) * args.weight_pitch + c));
        GAN_UNROLL
        for (int half = 0; half < 4; half += 2) {
          GAN_UNROLL
          for (int i = 0; i < 2; ++i) {
            const uint32_t part[4] = {a[2 * i].v[half], a[2 * i + 1].v[half], a[2 * i].v[half + 1],
                                      a[2 * i + 1].v[half + 1]};
            gpu::mma_bf16(sums[i][n], part, b.v[half], b.v[half + 1]);
          }
        }
      }
    }
    GAN_UNROLL
    for (int i = 0; i < 2; ++i) {
      GAN_UNROLL
      for (int n = 0; n < kColumns / 8; ++n) {
        GAN_UNROLL
        for (int e = 0; e < 4; ++e) {
          const int column = 8 * n + lane % 4 * 2 + e % 2;
          const int at = first + 16 * i + lane / 4 + e / 2 * 8;
          if (column < args.columns && at < args.pixels)
            parts[column * args.pitch + at] = sums[i][n][e];
        }
      }
    }
  }
}

// float32: a thread takes a pixel and all columns; the weights are the same for all lanes.
__device__ __forceinline__ void multiply_region(const ThinArgs<float>& args, int picture, int h0,
                                                int w0, const float* weights, float* parts) {
  for (int at = static_cast<int>(threadIdx.x); at < args.pixels; at += kThinThreads) {
    const float* const pixel = region_pixel(args, picture, h0, w0, at);
    float sums[kColumns] = {};
    for (int c = 0; c < args.shape.source_c; c += 4) {
      const gpu::Packet<float> a = thin_packet(args, pixel, c);
      GAN_UNROLL
      for (int n = 0; n < kColumns; ++n) {
        const gpu::Packet<float> b = gpu::load_packet(weights + n * args.weight_pitch + c);
        GAN_UNROLL
        for (int i = 0; i < 4; ++i) sums[n] += a.v[i] * b.v[i];
      }
    }
    GAN_UNROLL
    for (int n = 0; n < kColumns; ++n)
      if (n < args.columns) parts[n * args.pitch + at] = sums[n];
  }
}

// Grid: a block for every region of every picture.
template <class T>
__global__ void __launch_bounds__(kThinThreads, 4) conv_thin(const ThinArgs<T> args) {
  const ConvShape& shape = args.shape;
  gpu::Smem shared;
  T* const weights = shared.take<T>(kColumns * args.weight_pitch);
  float* const parts = shared.take<float>(args.columns * args.pitch);

  const int region = static_cast<int>(blockIdx.x) % (args.regions_h * args.regions_w);
  const int picture = static_cast<int>(blockIdx.x) / (args.regions_h * args.regions_w);
  const int p0 = region / args.regions_w * kRegion, q0 = region % args.regions_w * kRegion;

  for (int i = static_cast<int>(threadIdx.x); i < kColumns * args.weight_pitch; i += kThinThreads) {
    const int row = i / args.weight_pitch, c = i % args.weight_pitch;
    weights[i] = row < args.columns && c < shape.source_c
                     ? gpu::ldg(args.weights + row * shape.source_c + c)
                     : from_float<T>(0.0f);
  }
  gpu::syncthreads();  // the weights are written | read by the product
  multiply_region(args, picture, p0 - args.before_h, q0 - args.before_w, weights, parts);
  gpu::syncthreads();  // the parts are written | neighbours' are added up

  for (int g = 0; g < shape.groups; ++g) {
    const ConvGroup& group = shape.group[g];
    const int column0 = static_cast<int>(group.weights) / shape.source_c;
    for (int i = static_cast<int>(threadIdx.x); i < kRegion * kRegion; i += kThinThreads) {
      const int row = i / kRegion, column = i % kRegion, p = p0 + row, q = q0 + column;
      if (p >= group.rows || q >= group.columns) continue;
      // The window's first pixel; parts of pixels outside the picture are zero.
      const float* const window = parts + (row + args.before_h - group.pad_h) * args.width +
                                  column + args.before_w - group.pad_w;
      const int64_t out_row =
          static_cast<int64_t>(picture) * shape.out_h + group.first_h + p * shape.out_step;
      T* const to =
          args.out + (out_row * shape.out_w + group.first_w + q * shape.out_step) * shape.out_pitch;
      for (int k = 0; k < shape.out_c; ++k) {
        float v = 0;
        for (int r = 0; r < group.taps_h; ++r)
          for (int s = 0; s < group.taps_w; ++s)
            v += window[(column0 + k * group.taps() + r * group.taps_w + s) * args.pitch +
                        r * args.width + s];
        v = activate(args.act, args.bias ? v + gpu::ldg(args.bias + k) : v);
        to[k] = from_float<T>(args.accumulate ? as_float(to[k]) + v : v);
      }
    }
  }
}

int all_taps(const ConvShape& shape) {
  int taps = 0;
  for (int g = 0; g < shape.groups; ++g) taps += shape.group[g].taps();
  return taps;
}

template <class T>
size_t shared_bytes(const ThinArgs<T>& args) {
  return gpu::Smem::bytes<T>(kColumns * args.weight_pitch) +
         gpu::Smem::bytes<float>(args.columns * args.pitch);
}

// Fills in what follows from the shape.
template <class T>
void plan_regions(ThinArgs<T>& args) {
  const ConvShape& shape = args.shape;
  int before_h = 0, before_w = 0, after_h = 0, after_w = 0, rows = 0, columns = 0;
  for (int g = 0; g < shape.groups; ++g) {
    const ConvGroup& group = shape.group[g];
    before_h = std::max(before_h, group.pad_h);
    before_w = std::max(before_w, group.pad_w);
    after_h = std::max(after_h, group.taps_h - 1 - group.pad_h);
    after_w = std::max(after_w, group.taps_w - 1 - group.pad_w);
    rows = std::max(rows, group.rows);
    columns = std::max(columns, group.columns);
  }
  args.columns = all_taps(shape) * shape.out_c;
  args.before_h = before_h;
  args.before_w = before_w;
  args.width = kRegion + before_w + after_w;
  args.pixels = args.width * (kRegion + before_h + after_h);
  args.by_width = FastDivide(args.width);
  args.regions_h = static_cast<int>(ceil_div(rows, kRegion));
  args.regions_w = static_cast<int>(ceil_div(columns, kRegion));
  // 4 modulo 16: the fragments' columns, two apart, then begin 8 banks apart.
  args.pitch = static_cast<int>(ceil_div(args.pixels - 4, 16)) * 16 + 4;
  // An odd number of 64-byte pieces: two rows of a bf16 fragment's weights lie in different banks.
  const int pieces = static_cast<int>(ceil_div(shape.source_c, 32));
  args.weight_pitch = 32 * (pieces % 2 == 0 ? pieces + 1 : pieces);
}

}  // namespace

bool thin_supports(const ConvShape& shape) {
  if (shape.stride != 1 || all_taps(shape) * shape.out_c > kColumns) return false;
  ThinArgs<float> args;
  args.shape = shape;
  plan_regions(args);
  return shared_bytes(args) <= 96 * 1024;  // fits on every device since sm_80
}

template <class T>
void launch_thin(const GemmArgs<T>& gemm, int64_t pictures, gpu::Stream stream) {
  ThinArgs<T> args;
  args.shape = gemm.shape;
  args.source = gemm.source;
  args.weights = gemm.weights;
  args.prologue = gemm.prologue;
  args.bias = gemm.epilogue.bias;
  args.act = gemm.epilogue.act;
  args.accumulate = gemm.epilogue.accumulate;
  args.out = gemm.epilogue.out;
  plan_regions(args);
  gpu::launch(conv_thin<T>, pictures * args.regions_h * args.regions_w, kThinThreads,
              shared_bytes(args), stream, args);
}

template void launch_thin(const GemmArgs<float>&, int64_t, gpu::Stream);
template void launch_thin(const GemmArgs<gpu::bf16>&, int64_t, gpu::Stream);

}  // namespace gan::cuda
