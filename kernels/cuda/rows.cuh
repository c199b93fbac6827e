// How kernels see channels-last tensors, and how the threads of a launch share them.
//
// A tensor is rows (pixels) of columns (channels) at a pitch. The threads of a block stand in a
// rectangle: x along the columns, y down the rows. Each moves N neighbouring columns at once, 16
// bytes of the widest tensor; N is 1 where some tensor's pitch or address does not allow that.
// Storage is float32 or bfloat16, arithmetic float32.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <utility>

#include "engine/autograd.h"
#include "engine/tensor.h"
#include "kernels/cuda/gpu.h"

namespace gan::cuda {

inline constexpr int kThreads = 256;  // 8 such blocks fill the 2048 threads of an SM

// Two rounds of 8 blocks on each of the 132 SMs of an H200; threads loop over the rest.
inline constexpr int64_t kMaxBlocks = 2 * 8 * 132;

template <class T>
inline constexpr int kPacket = 16 / static_cast<int>(sizeof(T));

constexpr int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// ---- Tensors

template <class T>
struct Rows {
  T* data;
  int64_t pitch;
  __device__ __forceinline__ T* at(int64_t row, int64_t column) const {
    return data + row * pitch + column;
  }
};

// The elements as T*: float, uint8_t or gpu::bf16. Null for an empty tensor.
template <class T>
T* data_of(const Tensor& tensor) {
  if (!tensor) return nullptr;
  if constexpr (std::is_same_v<T, gpu::bf16>)
    return reinterpret_cast<T*>(tensor.as<bf16>());
  else
    return tensor.as<T>();
}
template <class T>
Rows<const T> input(const Tensor& tensor) {
  return {data_of<T>(tensor), tensor.pitch()};
}
template <class T>
Rows<T> output(const Tensor& tensor) {
  return {data_of<T>(tensor), tensor.pitch()};
}

// Calls body(T{}) with the type in which activations of `type` are stored.
template <class Body>
void with_storage_type(DType type, Body&& body) {
  if (type == DType::bf16) return body(gpu::bf16{});
  require(type == DType::f32, "the GPU stores activations as float32 or bfloat16, not ",
          name_of(type));
  body(float{});
}

// Throws InternalError naming both shapes unless `tensor` has memory and is of shape `expected`.
inline void check_shape(const char* operation, const char* name, const Tensor& tensor,
                        const Shape& expected) {
  require(static_cast<bool>(tensor), operation, ": ", name, " is missing");
  require(tensor.shape() == expected, operation, ": ", name, " has shape ", tensor.shape(),
          ", expected ", expected);
}

inline void check_vectors(const char* operation, int64_t channels,
                          std::initializer_list<std::pair<const char*, const Tensor*>> vectors) {
  for (const auto& [name, vector] : vectors)
    check_shape(operation, name, *vector, vector_shape(channels));
}

// ---- Packets

__device__ __forceinline__ float as_float(float value) {
  return value;
}
__device__ __forceinline__ float as_float(gpu::bf16 value) {
  return gpu::to_float(value);
}
template <class T>
__device__ __forceinline__ T from_float(float value) {
  if constexpr (std::is_same_v<T, gpu::bf16>)
    return gpu::to_bf16(value);
  else
    return value;
}

// `count` of N elements, the rest zero; count is N except in a row's last packet.
template <int N, class T>
__device__ __forceinline__ void load(float (&v)[N], const T* from, int count) {
  if constexpr (N == 1) {
    v[0] = as_float(*from);
  } else {
    if (count == N) {
      const gpu::Packet<T, N> packet = gpu::load_packet<T, N>(from);
      GAN_UNROLL
      for (int i = 0; i < N; ++i) v[i] = as_float(packet.v[i]);
      return;
    }
    GAN_UNROLL
    for (int i = 0; i < N; ++i) v[i] = i < count ? as_float(from[i]) : 0.0f;
  }
}

// The same in two steps, for loads that wait for each other in as few registers as they need.
template <int N, class T>
__device__ __forceinline__ gpu::Packet<T, N> load_packed(const T* from, int count) {
  if (N == 1 || count == N) return gpu::load_packet<T, N>(from);
  gpu::Packet<T, N> packet = {};
  GAN_UNROLL
  for (int i = 0; i < N; ++i)
    if (i < count) packet.v[i] = from[i];
  return packet;
}
template <class T, int N>
__device__ __forceinline__ void unpack(float (&v)[N], const gpu::Packet<T, N>& packet) {
  GAN_UNROLL
  for (int i = 0; i < N; ++i) v[i] = as_float(packet.v[i]);
}

// Parameters and statistics lie dense in float32, at addresses that promise nothing.
template <int N>
__device__ __forceinline__ void load_parameters(float (&v)[N], const float* from, int count) {
  if constexpr (N == 4) {
    if (count == N && reinterpret_cast<uintptr_t>(from) % sizeof(v) == 0) {
      unpack(v, gpu::load_packet<float, N>(from));
      return;
    }
  }
  GAN_UNROLL
  for (int i = 0; i < N; ++i) v[i] = i < count ? from[i] : 0.0f;
}

template <int N>
__device__ __forceinline__ void store_parameters(float* to, const float (&v)[N], int count,
                                                 Write write) {
  GAN_UNROLL
  for (int i = 0; i < N; ++i)
    if (i < count) to[i] = write == Write::accumulate ? to[i] + v[i] : v[i];
}

template <int N, class T>
__device__ __forceinline__ void store(T* to, const float (&v)[N], int count) {
  if constexpr (N == 1) {
    *to = from_float<T>(v[0]);
  } else {
    if (count == N) {
      gpu::Packet<T, N> packet;
      GAN_UNROLL
      for (int i = 0; i < N; ++i) packet.v[i] = from_float<T>(v[i]);
      gpu::store_packet(to, packet);
      return;
    }
    GAN_UNROLL
    for (int i = 0; i < N; ++i)
      if (i < count) to[i] = from_float<T>(v[i]);
  }
}

// Puts the values where `to` is, or adds them.
template <int N, class T>
__device__ __forceinline__ void store(T* to, const float (&v)[N], int count, Write write) {
  float sum[N];
  if (write == Write::accumulate) {
    load(sum, to, count);
    GAN_UNROLL
    for (int i = 0; i < N; ++i) sum[i] += v[i];
    store(to, sum, count);
  } else {
    store(to, v, count);
  }
}

// ---- Elements: every thread walks over the whole grid's stride

// The shape of a launch over tensors of one shape.
struct Layout {
  int64_t rows, columns;
  bool packets;  // all tensors can be moved in packets
  gpu::Dim3 grid, block;
};

// Whether rows of `tensor` can be read N elements at a time.
inline bool takes_packets(const Tensor& tensor, int n, int64_t rows) {
  const size_t bytes = static_cast<size_t>(n) * size_of(tensor.dtype());
  return reinterpret_cast<uintptr_t>(tensor.data()) % bytes == 0 &&
         (rows == 1 || tensor.pitch() % n == 0);
}

inline Layout layout_of(int64_t rows, int64_t columns, int n, bool packets) {
  if (!packets) n = 1;
  const int64_t across = std::clamp<int64_t>(ceil_div(columns, n), 1, kThreads);
  const int64_t down = std::clamp<int64_t>(kThreads / across, 1, std::max<int64_t>(rows, 1));
  const int64_t grid_x = std::clamp<int64_t>(ceil_div(columns, n * across), 1, kMaxBlocks);
  const int64_t grid_y = std::clamp<int64_t>(ceil_div(rows, down), 1, kMaxBlocks / grid_x);
  return {rows, columns, packets, {grid_x, grid_y}, {across, down}};
}

// Channels matter: a column is a channel.
template <class... Tensors>
Layout channel_layout(int n, const Tensor& first, const Tensors&... others) {
  const int64_t rows = first.shape().pixels();
  const bool packets = takes_packets(first, n, rows) && (... && takes_packets(others, n, rows));
  return layout_of(rows, first.shape().c, n, packets);
}

// Channels matter, and a thread needs parameters of its channels: as many blocks as `blocks_per_sm` allow
// at once, each thread with `rows_per_thread` rows or more.
template <class... Tensors>
Layout resident_layout(int n, int64_t blocks_per_sm, int64_t rows_per_thread, const Tensor& first,
                       const Tensors&... others) {
  Layout layout = channel_layout(n, first, others...);
  const int64_t most = std::max<int64_t>(1, blocks_per_sm * 132 / layout.grid.x);
  layout.grid.y =
      std::clamp<int64_t>(ceil_div(layout.rows, layout.block.y * rows_per_thread), 1, most);
  return layout;
}

// Only elements matter: dense tensors become one long row.
template <class... Tensors>
Layout element_layout(int n, const Tensor& first, const Tensors&... others) {
  if (!(first.dense() && (... && others.dense()))) return channel_layout(n, first, others...);
  const bool packets = takes_packets(first, n, 1) && (... && takes_packets(others, n, 1));
  return layout_of(1, first.elements(), n, packets);
}

// Calls body(column, count) for this thread's packets of a row.
template <int N, class Body>
__device__ __forceinline__ void for_columns(int64_t columns, Body&& body) {
  const int64_t step = int64_t{N} * gridDim.x * blockDim.x;
  int64_t column = N * (int64_t{blockIdx.x} * blockDim.x + threadIdx.x);
  for (; column < columns; column += step)
    body(column, N == 1 || columns - column >= N ? N : static_cast<int>(columns - column));
}

// For rows row, row + step, ... below `end`, Batch of them at a time: load(i, row) for each, then
// use(i, row) for each, so that the loads of a whole batch are under way together. Without that, a
// thread waits for memory row by row, and a kernel gets less than half of the bandwidth.
template <int Batch, class Load, class Use>
__device__ __forceinline__ void in_batches(int64_t row, int64_t end, int64_t step, Load&& load,
                                           Use&& use) {
  for (; row + (Batch - 1) * step < end; row += Batch * step) {
    GAN_UNROLL
    for (int i = 0; i < Batch; ++i) load(i, row + i * step);
    GAN_UNROLL
    for (int i = 0; i < Batch; ++i) use(i, row + i * step);
  }
  for (; row < end; row += step) {
    load(0, row);
    use(0, row);
  }
}

// The same for this thread's rows of the grid.
template <int Batch, class Load, class Use>
__device__ __forceinline__ void for_row_batches(int64_t rows, Load&& load, Use&& use) {
  in_batches<Batch>(int64_t{blockIdx.y} * blockDim.y + threadIdx.y, rows,
                    int64_t{gridDim.y} * blockDim.y, load, use);
}

// Calls body(row) for this thread's rows.
template <class Body>
__device__ __forceinline__ void for_rows(int64_t rows, Body&& body) {
  const int64_t step = int64_t{gridDim.y} * blockDim.y;
  for (int64_t row = int64_t{blockIdx.y} * blockDim.y + threadIdx.y; row < rows; row += step)
    body(row);
}

// Calls body(row, column, count) for all packets of this thread.
template <int N, class Body>
__device__ __forceinline__ void for_packets(int64_t rows, int64_t columns, Body&& body) {
  for_columns<N>(columns, [&](int64_t column, int count) {
    for_rows(rows, [&](int64_t row) { body(row, column, count); });
  });
}

// Calls body.operator()<N>() with N elements where packets are possible, else with one.
template <int N, class Body>
void with_width(bool packets, Body&& body) {
  if (packets)
    body.template operator()<N>();
  else
    body.template operator()<1>();
}

// ---- Sums over rows: each block adds up one chunk of rows, a second kernel the chunks in order

// The rows cut into `count` chunks of `size`.
struct Chunks {
  int64_t rows, size;
  int count;
  __host__ __device__ int64_t first(int chunk) const { return chunk * size; }
  __host__ __device__ int64_t length(int chunk) const {
    return rows - first(chunk) < size ? rows - first(chunk) : size;
  }
};

inline constexpr int kReductionBlocks = 3;  // on an SM at once: 80 registers a thread
inline constexpr int64_t kMaxChunks = kReductionBlocks * 132;
inline constexpr int64_t kMinRowsPerThread = 8;

struct ReductionLayout {
  Chunks chunks;
  int64_t columns;
  bool packets;
  gpu::Dim3 grid, block;
};

template <class... Tensors>
ReductionLayout reduction_layout(int n, const Tensor& first, const Tensors&... others) {
  const Layout cells = channel_layout(n, first, others...);
  const int64_t width = cells.packets ? n : 1;
  const int64_t across = cells.block.x, down = kThreads / across;
  const int64_t size = std::max(down * kMinRowsPerThread, ceil_div(cells.rows, kMaxChunks));
  const int64_t count = std::max<int64_t>(1, ceil_div(cells.rows, size));
  return {{cells.rows, size, static_cast<int>(count)},
          cells.columns,
          cells.packets,
          {ceil_div(cells.columns, width * across), count},
          {across, down}};
}

// The most chunks that reduction_layout cuts `shape` into, whatever the addresses.
inline int64_t max_chunks(const Shape& shape) {
  const int64_t down = kThreads / std::clamp<int64_t>(shape.c, 1, kThreads);
  const int64_t size = std::max(down * kMinRowsPerThread, ceil_div(shape.pixels(), kMaxChunks));
  return std::max<int64_t>(1, ceil_div(shape.pixels(), size));
}

// in_batches for this thread's rows of a chunk.
template <int Batch, class Load, class Use>
__device__ __forceinline__ void for_chunk_rows(const Chunks& chunks, int chunk, Load&& load,
                                               Use&& use) {
  const int64_t first = chunks.first(chunk);
  in_batches<Batch>(first + threadIdx.y, first + chunks.length(chunk), blockDim.y, load, use);
}

// Combines the K values of `n` threads pairwise, always the same pairs; thread i = 0 ends up with
// the result. Value k of thread i lies at shared[(i * K + k) * stride], in memory that nothing else
// uses since the last barrier. Every thread of the block takes part, because of the barriers.
template <int K, class Combine>
__device__ __forceinline__ void combine_tree(float (&v)[K], int i, int n, float* shared, int stride,
                                             Combine&& combine) {
  for (int active = n; active > 1; active = (active + 1) / 2) {
    const int half = (active + 1) / 2;
    if (i >= half && i < active) {
      GAN_UNROLL
      for (int k = 0; k < K; ++k) shared[(i * K + k) * stride] = v[k];
    }
    // Between the upper half's writes and the lower half's reads. The next round writes other
    // places than this one reads, so one barrier is enough.
    gpu::syncthreads();
    if (i < active - half) {
      float other[K];
      GAN_UNROLL
      for (int k = 0; k < K; ++k) other[k] = shared[((i + half) * K + k) * stride];
      combine(v, other);
    }
  }
}

template <int K>
__device__ __forceinline__ void add_values(float (&a)[K], const float (&b)[K]) {
  GAN_UNROLL
  for (int k = 0; k < K; ++k) a[k] += b[k];
}

// Sums over threadIdx.y. `shared` holds K floats a thread.
template <int K>
__device__ __forceinline__ void sum_over_y(float (&v)[K], float* shared) {
  combine_tree(v, static_cast<int>(threadIdx.y), static_cast<int>(blockDim.y), shared + threadIdx.x,
               static_cast<int>(blockDim.x),
               [](float(&a)[K], const float(&b)[K]) { add_values(a, b); });
}

// Sums over all threads of the block. `shared` holds K floats a thread.
template <int K>
__device__ __forceinline__ void sum_over_block(float (&v)[K], float* shared) {
  combine_tree(v, static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x),
               static_cast<int>(blockDim.x * blockDim.y), shared, 1,
               [](float(&a)[K], const float(&b)[K]) { add_values(a, b); });
}

// The second stage: a block of kFinishColumns x kFinishRows threads for every kFinishColumns
// columns. A row of 8 floats is one 32-byte sector; 32 threads share the chunks of a column.
inline constexpr int kFinishColumns = 8, kFinishRows = 32;
inline constexpr int kFinishBatch = 8;  // chunks that a thread loads together

inline gpu::Dim3 finish_grid(int64_t columns) {
  return {ceil_div(columns, kFinishColumns)};
}
inline gpu::Dim3 finish_block() {
  return {kFinishColumns, kFinishRows};
}

}  // namespace gan::cuda
