// Filling, copying, adding, mixing and transposing tensors, and sums over pixels. x, y: {N, H, W,
// C}, dense or slices, float32 or bfloat16.
//
//   fill y = value;  copy y = x;  add y += x;  axpby y = a*x + b*y, mix with a and b from memory;
//   transpose y[c, r, s, k] = x[k, r, s, c]
//   channel_sum sums[c] = sum over n, h, w of x[n, h, w, c]: a block adds up a chunk of pixels, a
//   second kernel the chunks, in a fixed order
//
// Bytes per element, s = 2 or 4: fill s, copy and transpose 2 s, add and axpby 3 s, channel_sum s;
// hardly any arithmetic, so memory is the limit. channel_sum of the output layer's gradient, {64,
// 128, 128, 3} in bfloat16: 6.3 MB, 1.5 us on an H200 by bandwidth; loads are 2 bytes there, and
// latency may double that.
#include "kernels/cuda/memory.h"

#include "kernels/cuda/rows.cuh"

namespace gan::cuda {
namespace {

// A warp's width, so that rows of the tile are whole sectors; 8 rows of threads, 4 elements each.
constexpr int kTile = 32, kTileRows = 8;

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    fill_kernel(int64_t rows, int64_t columns, Rows<T> y, float value) {
  float v[N];
  GAN_UNROLL
  for (int i = 0; i < N; ++i) v[i] = value;
  for_packets<N>(rows, columns, [&](int64_t row, int64_t column, int count) {
    store(y.at(row, column), v, count);
  });
}

template <class From, class To, int N>
__global__ void __launch_bounds__(kThreads)
    copy_kernel(int64_t rows, int64_t columns, Rows<const From> x, Rows<To> y, Write write) {
  for_packets<N>(rows, columns, [&](int64_t row, int64_t column, int count) {
    float v[N];
    load(v, x.at(row, column), count);
    store(y.at(row, column), v, count, write);
  });
}

template <int N, class T>
__device__ __forceinline__ void add_scaled(int64_t rows, int64_t columns, float a, Rows<const T> x,
                                           float b, Rows<T> y) {
  for_packets<N>(rows, columns, [&](int64_t row, int64_t column, int count) {
    float from[N], to[N];
    load(from, x.at(row, column), count);
    load(to, y.at(row, column), count);
    GAN_UNROLL
    for (int i = 0; i < N; ++i) to[i] = a * from[i] + b * to[i];
    store(y.at(row, column), to, count);
  });
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    axpby_kernel(int64_t rows, int64_t columns, float a, Rows<const T> x, float b, Rows<T> y) {
  add_scaled<N>(rows, columns, a, x, b, y);
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    mix_kernel(int64_t rows, int64_t columns, const float* factors, Rows<const T> x, Rows<T> y) {
  add_scaled<N>(rows, columns, factors[0], x, factors[1], y);
}

// x: `rows` x `taps` x `columns`; one block per tile of one tap.
template <class From, class To>
__global__ void __launch_bounds__(kThreads)
    transpose_kernel(int64_t rows, int64_t taps, int64_t columns, Rows<const From> x, Rows<To> y) {
  gpu::Smem memory;
  // One column more than is used, so that reading down a column meets 32 different banks.
  float* tile = memory.take<float>(kTile * (kTile + 1));
  const int64_t tap = blockIdx.z;
  const int64_t first_row = int64_t{blockIdx.y} * kTile, first_column = int64_t{blockIdx.x} * kTile;
  for (int i = static_cast<int>(threadIdx.y); i < kTile; i += kTileRows) {
    const int64_t row = first_row + i, column = first_column + threadIdx.x;
    if (row < rows && column < columns)
      tile[i * (kTile + 1) + threadIdx.x] = as_float(*x.at(row * taps + tap, column));
  }
  // Between the tile's writes by rows and its reads by columns.
  gpu::syncthreads();
  for (int i = static_cast<int>(threadIdx.y); i < kTile; i += kTileRows) {
    const int64_t row = first_row + threadIdx.x, column = first_column + i;
    if (row < rows && column < columns)
      *y.at(column * taps + tap, row) = from_float<To>(tile[threadIdx.x * (kTile + 1) + i]);
  }
}

// partial[chunk][c]; a single chunk's are the sums.
template <class T, int N>
__global__ void __launch_bounds__(kThreads, kReductionBlocks)
    channel_sum_kernel(Rows<const T> x, int64_t columns, Chunks chunks, float* partial,
                       Write write) {
  gpu::Smem memory;
  float* shared = memory.take<float>(N * static_cast<int>(blockDim.x * blockDim.y));
  const int chunk = static_cast<int>(blockIdx.y);
  const int64_t column = N * (int64_t{blockIdx.x} * blockDim.x + threadIdx.x);
  const int count = columns - column < N ? static_cast<int>(columns - column) : N;
  float total[N] = {};
  if (column < columns) {
    constexpr int kBatch = 4;
    gpu::Packet<T, N> packet[kBatch];
    for_chunk_rows<kBatch>(
        chunks, chunk,
        [&](int b, int64_t row) { packet[b] = load_packed<N>(x.at(row, column), count); },
        [&](int b, int64_t) {
          float v[N];
          unpack(v, packet[b]);
          add_values(total, v);
        });
  }
  sum_over_y(total, shared);
  if (threadIdx.y == 0 && column < columns)
    store_parameters(partial + chunk * columns + column, total, count, write);
}

__global__ void __launch_bounds__(kThreads)
    channel_sum_finish_kernel(const float* partial, int64_t columns, int chunks, float* sums,
                              Write write) {
  gpu::Smem memory;
  float* shared = memory.take<float>(kFinishColumns * kFinishRows);
  const int64_t c = int64_t{blockIdx.x} * kFinishColumns + threadIdx.x;
  float total[1] = {};
  if (c < columns) {
    float part[kFinishBatch];
    in_batches<kFinishBatch>(
        threadIdx.y, chunks, kFinishRows,
        [&](int b, int64_t i) { part[b] = partial[i * columns + c]; },
        [&](int b, int64_t) { total[0] += part[b]; });
  }
  sum_over_y(total, shared);
  if (threadIdx.y == 0 && c < columns)
    sums[c] = total[0] + (write == Write::accumulate ? sums[c] : 0.0f);
}

// Calls body.operator()<From, To>() with the types of x and y.
template <class Body>
void with_storage_types(const Tensor& x, const Tensor& y, Body&& body) {
  with_storage_type(x.dtype(), [&]<class From>(From) {
    with_storage_type(y.dtype(), [&]<class To>(To) { body.template operator()<From, To>(); });
  });
}

void transfer(const Tensor& x, const Tensor& y, Write write, gpu::Stream stream) {
  check_shape(write == Write::overwrite ? "copy" : "add", "y", y, x.shape());
  with_storage_types(x, y, [&]<class From, class To>() {
    constexpr int kWidth = std::min(kPacket<From>, kPacket<To>);
    const Layout layout = element_layout(kWidth, x, y);
    with_width<kWidth>(layout.packets, [&]<int N>() {
      gpu::launch(copy_kernel<From, To, N>, layout.grid, layout.block, 0, stream, layout.rows,
                  layout.columns, input<From>(x), output<To>(y), write);
    });
  });
}

}  // namespace

void fill(const Tensor& x, float value, gpu::Stream stream) {
  with_storage_type(x.dtype(), [&]<class T>(T) {
    const Layout layout = element_layout(kPacket<T>, x);
    with_width<kPacket<T>>(layout.packets, [&]<int N>() {
      gpu::launch(fill_kernel<T, N>, layout.grid, layout.block, 0, stream, layout.rows,
                  layout.columns, output<T>(x), value);
    });
  });
}

void copy(const Tensor& x, const Tensor& y, gpu::Stream stream) {
  transfer(x, y, Write::overwrite, stream);
}

void add(const Tensor& x, const Tensor& y, gpu::Stream stream) {
  transfer(x, y, Write::accumulate, stream);
}

void axpby(float a, const Tensor& x, float b, const Tensor& y, gpu::Stream stream) {
  check_shape("axpby", "y", y, x.shape());
  with_storage_type(x.dtype(), [&]<class T>(T) {
    const Layout layout = element_layout(kPacket<T>, x, y);
    with_width<kPacket<T>>(layout.packets, [&]<int N>() {
      gpu::launch(axpby_kernel<T, N>, layout.grid, layout.block, 0, stream, layout.rows,
                  layout.columns, a, input<T>(x), b, output<T>(y));
    });
  });
}

void mix(const Tensor& factors, const Tensor& x, const Tensor& y, gpu::Stream stream) {
  check_shape("mix", "y", y, x.shape());
  require(factors.elements() == 2 && factors.shape().c == 2, "mix: wants two factors");
  with_storage_type(x.dtype(), [&]<class T>(T) {
    const Layout layout = element_layout(kPacket<T>, x, y);
    with_width<kPacket<T>>(layout.packets, [&]<int N>() {
      gpu::launch(mix_kernel<T, N>, layout.grid, layout.block, 0, stream, layout.rows,
                  layout.columns, data_of<float>(factors), input<T>(x), output<T>(y));
    });
  });
}

void transpose(const Tensor& x, const Tensor& y, gpu::Stream stream) {
  const Shape s = x.shape();
  check_shape("transpose", "y", y, {s.c, s.h, s.w, s.n});
  with_storage_types(x, y, [&]<class From, class To>() {
    gpu::launch(transpose_kernel<From, To>, {ceil_div(s.c, kTile), ceil_div(s.n, kTile), s.h * s.w},
                {kTile, kTileRows}, gpu::Smem::bytes<float>(kTile * (kTile + 1)), stream, s.n,
                s.h * s.w, s.c, input<From>(x), output<To>(y));
  });
}

size_t channel_sum_scratch_bytes(const Shape& x) {
  return static_cast<size_t>(max_chunks(x) * x.c) * sizeof(float);
}

void channel_sum(const Tensor& x, const Tensor& sums, Write write, void* scratch,
                 gpu::Stream stream) {
  const int64_t channels = x.shape().c;
  check_shape("channel_sum", "sums", sums, vector_shape(channels));
  auto* partial = static_cast<float*>(scratch);
  with_storage_type(x.dtype(), [&]<class T>(T) {
    const ReductionLayout layout = reduction_layout(kPacket<T>, x);
    const bool single = layout.chunks.count == 1;
    with_width<kPacket<T>>(layout.packets, [&]<int N>() {
      gpu::launch(channel_sum_kernel<T, N>, layout.grid, layout.block,
                  gpu::Smem::bytes<float>(N * layout.block.x * layout.block.y), stream, input<T>(x),
                  channels, layout.chunks, single ? sums.as<float>() : partial,
                  single ? write : Write::overwrite);
    });
    if (single) return;
    gpu::launch(channel_sum_finish_kernel, finish_grid(channels), finish_block(),
                gpu::Smem::bytes<float>(kFinishColumns * kFinishRows), stream, partial, channels,
                layout.chunks.count, sums.as<float>(), write);
  });
}

}  // namespace gan::cuda
