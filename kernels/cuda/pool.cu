// Pooling over 2x2 windows, stride 2. x, dx: {N, H, W, C}; y, dy: {N, P, Q, C}, P = H/2, Q = W/2; an
// odd last row or column is left out, its gradient is zero.
//
//   average: y = (x00 + x01 + x10 + x11) / 4,  dx = dy / 4 in all four places; where x = act(z), times
//            act'(z), taken from x, which is the gradient of z
//   maximum: y = the largest; dy goes to the first of the largest in reading order
//
// A thread does one window of N channels, so that backward reads dy once for four results; in the
// backward direction there are also the cut windows of an odd edge.
//
// Bytes per element of x, s = 2 or 4: average forward and backward 5/4 s, after an activation 9/4 s, maximum
// forward 5/4 s and backward 9/4 s, a few instructions: memory is the limit. d.l1, {64, 64, 64, 32} in bfloat16 (17
// MB) on an H200: 5 us each way, maximum backward 9 us (backward: the kernels before these).
#include "kernels/cuda/pool.h"

#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/rows.cuh"

namespace gan::cuda {
namespace {

enum class Pool { average, maximum };

// The windows of a launch: lines of windows of all pictures, `down` to a picture and `across` to a
// line, over pictures of height x width with p x q whole windows.
struct Windows {
  int64_t lines, across, channels;
  int down, height, width, p, q;
};

// A window's place: its first pixel, how many rows and columns of it exist, and its pixel of y.
struct Window {
  int64_t pixel, pooled;
  int rows, columns;
  bool whole;
};

// Calls body(window, channel, count) for this thread's windows: channels along threadIdx.x, windows
// of a line along threadIdx.y and blockIdx.x, lines along blockIdx.y.
template <int N, class Body>
__device__ __forceinline__ void for_windows(const Windows& w, Body&& body) {
  for (int64_t line = blockIdx.y; line < w.lines; line += gridDim.y) {
    const int picture = static_cast<int>(line) / w.down;
    const int p = static_cast<int>(line) - picture * w.down;
    const int64_t first = (int64_t{picture} * w.height + 2 * p) * w.width;
    const int64_t first_pooled = (int64_t{picture} * w.p + p) * w.q;
    const int rows = 2 * p + 1 < w.height ? 2 : 1;
    for (int64_t q = int64_t{blockIdx.x} * blockDim.y + threadIdx.y; q < w.across;
         q += int64_t{gridDim.x} * blockDim.y) {
      const Window window = {first + 2 * q, first_pooled + q, rows, 2 * q + 1 < w.width ? 2 : 1,
                             p < w.p && q < w.q};
      for (int64_t channel = N * int64_t{threadIdx.x}; channel < w.channels;
           channel += int64_t{N} * blockDim.x) {
        const int64_t left = w.channels - channel;
        body(window, channel, left < N ? static_cast<int>(left) : N);
      }
    }
  }
}

// The four values of a whole window, in reading order.
template <class T, int N>
__device__ __forceinline__ void load_window(float (&v)[4][N], const Rows<const T>& x,
                                            const Window& window, int width, int64_t channel,
                                            int count) {
  GAN_UNROLL
  for (int k = 0; k < 4; ++k)
    load(v[k], x.at(window.pixel + k / 2 * width + k % 2, channel), count);
}

template <Pool pool, class T, int N>
__global__ void __launch_bounds__(kThreads)
    pool_forward_kernel(Windows windows, Rows<const T> x, Rows<T> y) {
  for_windows<N>(windows, [&](const Window& window, int64_t channel, int count) {
    float v[4][N], result[N];
    load_window(v, x, window, windows.width, channel, count);
    GAN_UNROLL
    for (int i = 0; i < N; ++i) {
      if constexpr (pool == Pool::average) {
        result[i] = 0.25f * ((v[0][i] + v[1][i]) + (v[2][i] + v[3][i]));
      } else {
        result[i] = v[0][i];
        GAN_UNROLL
        for (int k = 1; k < 4; ++k) result[i] = v[k][i] > result[i] ? v[k][i] : result[i];
      }
    }
    store(y.at(window.pooled, channel), result, count);
  });
}

constexpr int kBackwardBlocks = 2;  // on an SM at once, at least: up to 128 registers a thread

// For the pixels of a window that there are, in reading order: body(which of four, its row).
template <class Body>
__device__ __forceinline__ void for_pixels(const Window& window, int width, Body&& body) {
  GAN_UNROLL
  for (int k = 0; k < 4; ++k)
    if (k / 2 < window.rows && k % 2 < window.columns)
      body(k, window.pixel + k / 2 * width + k % 2);
}

// x: what `act` made, which is not read where there is none. Its four loads are under way together.
template <class T, int N>
__global__ void __launch_bounds__(kThreads, kBackwardBlocks)
    average_backward_kernel(Windows windows, Activation act, Rows<const T> x, Rows<const T> dy,
                            Rows<T> dx, Write write) {
  for_windows<N>(windows, [&](const Window& window, int64_t channel, int count) {
    gpu::Packet<T, N> results[4] = {}, quarters = {};
    if (window.whole) {
      quarters = load_packed<N>(dy.at(window.pooled, channel), count);
      if (act != Activation::none)
        for_pixels(window, windows.width, [&](int k, int64_t row) {
          results[k] = load_packed<N>(x.at(row, channel), count);
        });
    }
    for_pixels(window, windows.width, [&](int k, int64_t row) {
      float d[N], result[N];
      unpack(d, quarters);
      unpack(result, results[k]);
      GAN_UNROLL
      for (int i = 0; i < N; ++i) d[i] *= 0.25f;
      times_slopes(act, result, d);
      store(dx.at(row, channel), d, count, write);
    });
  });
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads, kBackwardBlocks)
    maximum_backward_kernel(Windows windows, Rows<const T> x, Rows<const T> dy, Rows<T> dx,
                            Write write) {
  for_windows<N>(windows, [&](const Window& window, int64_t channel, int count) {
    float slope[N] = {};
    int chosen[N] = {};
    if (window.whole) {
      float v[4][N];
      load(slope, dy.at(window.pooled, channel), count);
      load_window(v, x, window, windows.width, channel, count);
      GAN_UNROLL
      for (int i = 0; i < N; ++i) {
        float largest = v[0][i];
        GAN_UNROLL
        for (int k = 1; k < 4; ++k) {
          if (v[k][i] > largest) {
            largest = v[k][i];
            chosen[i] = k;
          }
        }
      }
    }
    for_pixels(window, windows.width, [&](int k, int64_t row) {
      float d[N];
      GAN_UNROLL
      for (int i = 0; i < N; ++i) d[i] = chosen[i] == k ? slope[i] : 0.0f;
      store(dx.at(row, channel), d, count, write);
    });
  });
}

// ---- Host

struct PoolLayout {
  Windows windows;
  bool packets;
  gpu::Dim3 grid, block;
};

// `backward` also visits the windows that an odd edge cuts.
template <class... Tensors>
PoolLayout pool_layout(bool backward, int n, const Tensor& x, const Tensors&... others) {
  const Shape s = x.shape();
  const int edge = backward ? 1 : 0;
  Windows windows;
  windows.down = static_cast<int>(s.h + edge) / 2;
  windows.across = (s.w + edge) / 2;
  windows.lines = s.n * windows.down;
  windows.channels = s.c;
  windows.height = static_cast<int>(s.h);
  windows.width = static_cast<int>(s.w);
  windows.p = static_cast<int>(s.h / 2);
  windows.q = static_cast<int>(s.w / 2);
  require(windows.lines <= INT32_MAX, "pooling: too many pictures in ", s);
  const bool packets = takes_packets(x, n, 2) && (... && takes_packets(others, n, 2));
  const int64_t x_threads = std::clamp<int64_t>(ceil_div(s.c, packets ? n : 1), 1, kThreads);
  const int64_t y_threads =
      std::clamp<int64_t>(kThreads / x_threads, 1, std::max<int64_t>(windows.across, 1));
  const int64_t grid_x = std::clamp<int64_t>(ceil_div(windows.across, y_threads), 1, kMaxBlocks);
  // Enough lines for kMaxBlocks full blocks, even where a line fills only part of one.
  const int64_t most = kMaxBlocks * (kThreads / (x_threads * y_threads)) / grid_x;
  return {windows,
          packets,
          {grid_x, std::clamp<int64_t>(windows.lines, 1, std::max<int64_t>(most, 1))},
          {x_threads, y_threads}};
}

void check_pooled(const char* operation, const char* name, const Tensor& pooled, const Shape& x) {
  const Shape expected = {x.n, x.h / 2, x.w / 2, x.c};
  require(pooled.shape() == expected, operation, ": ", name, " has shape ", pooled.shape(),
          ", expected ", expected);
}

template <Pool pool>
void pool_forward(const Tensor& x, const Tensor& y, gpu::Stream stream) {
  check_pooled("pooling", "y", y, x.shape());
  if (y.elements() == 0) return;
  with_storage_type(x.dtype(), [&]<class T>(T) {
    const PoolLayout layout = pool_layout(false, kPacket<T>, x, y);
    with_width<kPacket<T>>(layout.packets, [&]<int N>() {
      gpu::launch(pool_forward_kernel<pool, T, N>, layout.grid, layout.block, 0, stream,
                  layout.windows, input<T>(x), output<T>(y));
    });
  });
}

// Calls launch.operator()<T, N>(layout) with what goes over all windows of x.
template <class Launch>
void pool_backward(const Tensor& x, const Tensor& dy, const Tensor& dx, Launch&& launch) {
  check_pooled("pooling backward", "dy", dy, dx.shape());
  check_shape("pooling backward", "dx", dx, x.shape());
  with_storage_type(dx.dtype(), [&]<class T>(T) {
    const PoolLayout layout = pool_layout(true, kPacket<T>, x, dy, dx);
    with_width<kPacket<T>>(layout.packets,
                           [&]<int N>() { launch.template operator()<T, N>(layout); });
  });
}

}  // namespace

void avg_pool_forward(const Tensor& x, const Tensor& y, gpu::Stream stream) {
  pool_forward<Pool::average>(x, y, stream);
}
void avg_pool_backward(Activation act, const Tensor& x, const Tensor& dy, const Tensor& dx,
                       Write write, gpu::Stream stream) {
  const Tensor& results = act == Activation::none ? dx : x;  // then nobody reads them
  pool_backward(results, dy, dx, [&]<class T, int N>(const PoolLayout& layout) {
    gpu::launch(average_backward_kernel<T, N>, layout.grid, layout.block, 0, stream, layout.windows,
                act, input<T>(results), input<T>(dy), output<T>(dx), write);
  });
}
void max_pool_forward(const Tensor& x, const Tensor& y, gpu::Stream stream) {
  pool_forward<Pool::maximum>(x, y, stream);
}
void max_pool_backward(const Tensor& x, const Tensor& dy, const Tensor& dx, Write write,
                       gpu::Stream stream) {
  pool_backward(x, dy, dx, [&]<class T, int N>(const PoolLayout& layout) {
    gpu::launch(maximum_backward_kernel<T, N>, layout.grid, layout.block, 0, stream, layout.windows,
                input<T>(x), input<T>(dy), output<T>(dx), write);
  });
}

}  // namespace gan::cuda
