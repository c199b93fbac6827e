// Two sums for every channel over all rows of a kind of pictures, known to all blocks that have rows of the channel.
// Included by batch_norm_train.cu.
//
// A block of kNormThreads has a chunk (blockIdx.y) of the rows of a kind (blockIdx.z) and a group of
// channels (blockIdx.x), N a thread:
//
//   1. sum_rows: its threads' sums become its channels'. Each thread writes its 2N numbers to shared memory and adds
//      up as many, 8 or more threads a channel: no rounds of a tree, and no bank has two numbers to give at once.
//   2. put, wait: the chunk's two numbers for each channel, then the other chunks'.
//   3. merge_chunks: all chunks', in order, so that all blocks get the same.
//   4. have_read, and before the block ends leave: its numbers stay until the others have read them.
//
// The chunks of a group meet in global memory, where all blocks of the launch wait for each other (GridSums),
// or, where few blocks hold all rows, as a cluster in each other's shared memory (ClusterSums).
#pragma once

#include "kernels/cuda/cluster.h"
#include "kernels/cuda/row_ring.cuh"

namespace gan::cuda {

inline constexpr int kGroupChannels = 64;  // of a block at most: 128 bytes of bfloat16

// Threads that share what is added up for one channel: rows of a block, chunks of a tensor.
inline constexpr int kRowParts = 16, kChunkParts = kNormThreads / kGroupChannels;
// Chunks that a thread loads at once: 132 blocks are two times nine for each.
inline constexpr int kMergeBatch = 9;

// Floats of shared memory for the sums of a block whose threads have n channels each.
constexpr int sum_floats(int n) {
  return n * kNormThreads + kGroupChannels + 2 * kNormThreads;
}

__device__ __forceinline__ int block_thread() {
  return static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
}
// The channels of a block: threads below this number have one each, wherever a sum of a channel is meant.
template <int N>
__device__ __forceinline__ int group_channels() {
  return N * static_cast<int>(blockDim.x);
}
template <int N>
__device__ __forceinline__ int64_t group_column() {
  return int64_t{group_channels<N>()} * blockIdx.x + block_thread() % group_channels<N>();
}

// v: a thread's sums a of its N channels, then its sums b. total: a and b of the channel of a thread below
// group_channels, over all rows of the block. blockDim.x is a power of two.
template <int N>
__device__ __forceinline__ void sum_rows(float (&total)[2], const float (&v)[2 * N],
                                         float* shared) {
  const int across = static_cast<int>(blockDim.x), down = static_cast<int>(blockDim.y);
  const int thread = block_thread(), group = group_channels<N>();
  const int part = thread / group, which = thread % group;
  const int parts = kNormThreads / group < kRowParts ? kNormThreads / group : kRowParts;
  // Sum k of column x of row y lies at k * stride + y * across + x; the `across` more than there are threads
  // put sums that one warp reads into different banks.
  const int stride = kNormThreads + across;
  const float* const from = shared + which / across * stride + which % across;
  float* of_parts = shared + N * stride;
  GAN_UNROLL
  for (int half = 0; half < 2; ++half, of_parts += kNormThreads) {
    GAN_UNROLL
    for (int k = 0; k < N; ++k) shared[k * stride + thread] = v[half * N + k];
    gpu::syncthreads();
    if (part < parts) {
      float even = 0, odd = 0;  // two sums lose fewer digits than one
      for (int y = part; y < down; y += 2 * parts) {
        even += from[y * across];
        if (y + parts < down) odd += from[(y + parts) * across];
      }
      of_parts[thread] = even + odd;
    }
    gpu::syncthreads();  // the parts are there | the next half takes their place
  }
  total[0] = total[1] = 0;
  if (thread < group) {
    const float* const of_channel = shared + N * stride + thread % N * across + thread / N;
    const auto pair = [&](int i) { return of_channel[i * group] + of_channel[(i + 1) * group]; };
    for (int i = 0; i < parts; i += 4) {  // 8 or 16 of them
      total[0] += pair(i) + pair(i + 2);
      total[1] += pair(i + kNormThreads / group) + pair(i + 2 + kNormThreads / group);
    }
  }
}

// Through global memory: a[(kind * chunks + chunk) * columns + c], and b in the same way behind all of a.
class GridSums {
 public:
  __device__ GridSums(gpu::Smem&, float* scratch, const Chunks& chunks, int64_t columns)
      : a_(scratch),
        b_(scratch + int64_t{gridDim.z} * chunks.count * columns),
        columns_(static_cast<int>(columns)),
        chunks_(chunks.count) {}

  // A thread's channel: of the block's, of the tensor's.
  __device__ void put(int, int64_t column, float a, float b) {
    const int at = place(static_cast<int>(blockIdx.z), static_cast<int>(blockIdx.y), column);
    a_[at] = a;
    b_[at] = b;
  }
  __device__ void wait() { gpu::sync_grid(); }
  __device__ float a(int kind, int chunk, int, int64_t column) const {
    return a_[place(kind, chunk, column)];
  }
  __device__ float b(int kind, int chunk, int, int64_t column) const {
    return b_[place(kind, chunk, column)];
  }
  __device__ void have_read() {}
  __device__ void leave() {}

 private:
  // There are some hundred chunks of all kinds.
  __device__ int place(int kind, int chunk, int64_t column) const {
    return (kind * chunks_ + chunk) * columns_ + static_cast<int>(column);
  }

  float *a_, *b_;
  int columns_, chunks_;
};

// Through the shared memory of the blocks of a cluster, which are the chunks of all kinds.
class ClusterSums {
 public:
  static constexpr size_t kSharedBytes = gpu::Smem::bytes<float>(2 * kGroupChannels);
  __device__ ClusterSums(gpu::Smem& memory, float*, const Chunks& chunks, int64_t)
      : mine_(memory.take<float>(2 * kGroupChannels)), chunks_(chunks.count) {}

  __device__ void put(int channel, int64_t, float a, float b) {
    mine_[channel] = a;
    mine_[kGroupChannels + channel] = b;
  }
  __device__ void wait() { gpu::sync_cluster(); }
  __device__ float a(int kind, int chunk, int channel, int64_t) const {
    return *gpu::cluster_shared(mine_ + channel, kind * chunks_ + chunk);
  }
  __device__ float b(int kind, int chunk, int channel, int64_t) const {
    return *gpu::cluster_shared(mine_ + kGroupChannels + channel, kind * chunks_ + chunk);
  }
  __device__ void have_read() { gpu::arrive_at_cluster(); }
  __device__ void leave() { gpu::wait_for_cluster(); }

 private:
  float* mine_;
  int chunks_;
};

// The kinds of pictures whose sums a block wants: its own, or all of them where it `leads`, which the first of
// all blocks of a channel does.
struct WantedKinds {
  bool leads = blockIdx.y == 0 && blockIdx.z == 0;
  int own = static_cast<int>(blockIdx.z);
  int end = leads ? static_cast<int>(gridDim.z) : own + 1;
};

// term(chunk, a, b, total) adds a chunk's numbers of a channel to a total. The totals over all chunks of a kind
// are those of the threads below group_channels; true in these, where there is such a channel. Ends with the
// block's barrier still to come, before `shared` is used again.
template <int N, class Sums, class Term>
__device__ __forceinline__ bool merge_chunks(float (&total)[2], const Sums& sums, int kind,
                                             const Chunks& chunks, int64_t columns, float* shared,
                                             Term&& term) {
  const int thread = block_thread(), group = group_channels<N>();
  const int part = thread / group, channel = thread % group;
  const int64_t column = group_column<N>();
  total[0] = total[1] = 0;
  if (part < kChunkParts && column < columns) {
    for (int first = part; first < chunks.count; first += kChunkParts * kMergeBatch) {
      float a[kMergeBatch], b[kMergeBatch];
      GAN_UNROLL
      for (int i = 0; i < kMergeBatch; ++i) {
        const int chunk = first + i * kChunkParts;
        a[i] = chunk < chunks.count ? sums.a(kind, chunk, channel, column) : 0.0f;
        b[i] = chunk < chunks.count ? sums.b(kind, chunk, channel, column) : 0.0f;
      }
      GAN_UNROLL
      for (int i = 0; i < kMergeBatch; ++i) {
        const int chunk = first + i * kChunkParts;
        if (chunk < chunks.count) term(chunk, a[i], b[i], total);
      }
    }
  }
  if (part < kChunkParts) {
    shared[2 * part * group + channel] = total[0];
    shared[(2 * part + 1) * group + channel] = total[1];
  }
  gpu::syncthreads();
  if (part > 0) return false;
  GAN_UNROLL
  for (int i = 1; i < kChunkParts; ++i) {
    total[0] += shared[2 * i * group + channel];
    total[1] += shared[(2 * i + 1) * group + channel];
  }
  return column < columns;
}

}  // namespace gan::cuda
