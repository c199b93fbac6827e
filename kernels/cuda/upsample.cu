// Upsampling to twice the extents, bilinear with half-pixel centres. x, dx: {N, H, W, C}; y, dy:
// {N, 2H, 2W, C}. Along each axis, for a = 0, 1, everything beyond the border repeating it:
//
//   forward:  y[2p + a] = 3/4 x[p] + 1/4 x[p - 1 + 2a]
//   backward: dx[p] = 1/4 dy[2p - 1] + 3/4 dy[2p] + 3/4 dy[2p + 1] + 1/4 dy[2p + 2]
//
// Backward is a gather, so it needs no atomics; repeating the border of dy is what the transpose
// says, since forward the border stands in for the neighbour it lacks.
//
// A thread does one pixel of the small side, N channels of it. Forward it reads its 9 neighbours
// and writes 4 pixels, backward it reads 16 and writes one; all but 1 and 4 of them come from the
// caches. Bytes per element of the small side, s = 2 or 4: 5 s each way (6 s accumulating), about 25
// operations: memory is the limit. {32, 32, 32, 128} in bfloat16: 42 MB, 10 us on an H200 by
// bandwidth.
#include "kernels/cuda/upsample.h"

#include "kernels/cuda/rows.cuh"

namespace gan::cuda {
namespace {

// The pixels of the small side: `lines` of all pictures, `width` to a line.
struct Extents {
  int64_t lines, channels;
  int height, width;
};

// A pixel of the small side; `picture` counts from 0.
struct Place {
  int64_t picture;
  int p, q;
};

__device__ __forceinline__ int limit(int at, int extent) {
  return at < 0 ? 0 : at < extent ? at : extent - 1;
}

// Calls body(place, channel, count) for this thread's pixels: channels along threadIdx.x, pixels of
// a line along threadIdx.y and blockIdx.x, lines along blockIdx.y.
template <int N, class Body>
__device__ __forceinline__ void for_pixels(const Extents& e, Body&& body) {
  for (int64_t line = blockIdx.y; line < e.lines; line += gridDim.y) {
    const int picture = static_cast<int>(line) / e.height;
    const int p = static_cast<int>(line) - picture * e.height;
    for (int64_t q = int64_t{blockIdx.x} * blockDim.y + threadIdx.y; q < e.width;
         q += int64_t{gridDim.x} * blockDim.y) {
      for (int64_t channel = N * int64_t{threadIdx.x}; channel < e.channels;
           channel += int64_t{N} * blockDim.x) {
        const int64_t left = e.channels - channel;
        body(Place{picture, p, static_cast<int>(q)}, channel,
             left < N ? static_cast<int>(left) : N);
      }
    }
  }
}

// The first pixel of row p of a picture of height x width.
__device__ __forceinline__ int64_t row_start(int64_t picture, int p, int height, int width) {
  return (picture * height + p) * width;
}

// The least number of blocks per SM is set to 1: left to choose, the compiler spills for the sake of more.
template <class T, int N>
__global__ void __launch_bounds__(kThreads, 1)
    upsample_forward_kernel(Extents e, Rows<const T> x, Rows<T> y) {
  for_pixels<N>(e, [&](const Place& at, int64_t channel, int count) {
    const int64_t row = row_start(at.picture, at.p, e.height, e.width);
    float near[3][N];
    GAN_UNROLL
    for (int k = 0; k < 3; ++k)
      load(near[k], x.at(row + limit(at.q - 1 + k, e.width), channel), count);
    GAN_UNROLL
    for (int a = 0; a < 2; ++a) {
      const int64_t other =
          row_start(at.picture, limit(at.p - 1 + 2 * a, e.height), e.height, e.width);
      float v[3][N], result[N];
      GAN_UNROLL
      for (int k = 0; k < 3; ++k) {
        load(v[k], x.at(other + limit(at.q - 1 + k, e.width), channel), count);
        GAN_UNROLL
        for (int i = 0; i < N; ++i) v[k][i] = 0.75f * near[k][i] + 0.25f * v[k][i];
      }
      const int64_t first =
          row_start(at.picture, 2 * at.p + a, 2 * e.height, 2 * e.width) + 2 * at.q;
      GAN_UNROLL
      for (int b = 0; b < 2; ++b) {
        GAN_UNROLL
        for (int i = 0; i < N; ++i) result[i] = 0.75f * v[1][i] + 0.25f * v[2 * b][i];
        store(y.at(first + b, channel), result, count);
      }
    }
  });
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads, 1)
    upsample_backward_kernel(Extents e, Rows<const T> dy, Rows<T> dx, Write write) {
  for_pixels<N>(e, [&](const Place& at, int64_t channel, int count) {
    float sum[N] = {};
    GAN_UNROLL
    for (int r = 0; r < 4; ++r) {
      const int64_t row =
          row_start(at.picture, limit(2 * at.p - 1 + r, 2 * e.height), 2 * e.height, 2 * e.width);
      float v[4][N];
      GAN_UNROLL
      for (int k = 0; k < 4; ++k)
        load(v[k], dy.at(row + limit(2 * at.q - 1 + k, 2 * e.width), channel), count);
      const float weight = r == 0 || r == 3 ? 0.25f : 0.75f;
      GAN_UNROLL
      for (int i = 0; i < N; ++i)
        sum[i] += weight * (0.25f * (v[0][i] + v[3][i]) + 0.75f * (v[1][i] + v[2][i]));
    }
    store(dx.at(row_start(at.picture, at.p, e.height, e.width) + at.q, channel), sum, count, write);
  });
}

// ---- Host

struct PixelLayout {
  Extents extents;
  bool packets;
  gpu::Dim3 grid, block;
};

PixelLayout pixel_layout(int n, const Tensor& small, const Tensor& large) {
  const Shape s = small.shape();
  require(s.n * s.h <= INT32_MAX && 2 * s.h <= INT32_MAX && 2 * s.w <= INT32_MAX,
          "upsampling: too many pictures in ", s);
  const bool packets = takes_packets(small, n, 2) && takes_packets(large, n, 2);
  const int64_t across = std::clamp<int64_t>(ceil_div(s.c, packets ? n : 1), 1, kThreads);
  const int64_t down = std::clamp<int64_t>(kThreads / across, 1, std::max<int64_t>(s.w, 1));
  const int64_t grid_x = std::clamp<int64_t>(ceil_div(s.w, down), 1, kMaxBlocks);
  // Enough lines for kMaxBlocks full blocks, even where a line fills only part of one.
  const int64_t most = kMaxBlocks * (kThreads / (across * down)) / grid_x;
  return {{s.n * s.h, s.c, static_cast<int>(s.h), static_cast<int>(s.w)},
          packets,
          {grid_x, std::clamp<int64_t>(s.n * s.h, 1, std::max<int64_t>(most, 1))},
          {across, down}};
}

Shape doubled(const Shape& s) {
  return {s.n, 2 * s.h, 2 * s.w, s.c};
}

}  // namespace

void upsample_forward(const Tensor& x, const Tensor& y, gpu::Stream stream) {
  check_shape("upsampling", "y", y, doubled(x.shape()));
  with_storage_type(x.dtype(), [&]<class T>(T) {
    const PixelLayout layout = pixel_layout(kPacket<T>, x, y);
    with_width<kPacket<T>>(layout.packets, [&]<int N>() {
      gpu::launch(upsample_forward_kernel<T, N>, layout.grid, layout.block, 0, stream,
                  layout.extents, input<T>(x), output<T>(y));
    });
  });
}

void upsample_backward(const Tensor& dy, const Tensor& dx, Write write, gpu::Stream stream) {
  check_shape("upsampling backward", "dy", dy, doubled(dx.shape()));
  with_storage_type(dx.dtype(), [&]<class T>(T) {
    const PixelLayout layout = pixel_layout(kPacket<T>, dx, dy);
    with_width<kPacket<T>>(layout.packets, [&]<int N>() {
      gpu::launch(upsample_backward_kernel<T, N>, layout.grid, layout.block, 0, stream,
                  layout.extents, input<T>(dy), output<T>(dx), write);
    });
  });
}

}  // namespace gan::cuda
