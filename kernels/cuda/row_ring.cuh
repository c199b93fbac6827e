// The rows of a block of batch norm, twice: from the first to the last, then back. Included by
// batch_norm_train.cu.
//
// The threads of a block stand in a rectangle of kNormThreads, x along the channels, y down the rows; each takes
// N neighbouring channels of every blockDim.y-th row of its block's chunk. The rows pass through a ring of
// copies to shared memory, which holds the last ones when the way back begins with them. Nothing is
// shared between threads.
#pragma once

#include "kernels/cuda/rows.cuh"

namespace gan::cuda {

inline constexpr int kNormThreads = 512;  // of a block, with up to 128 registers each
inline constexpr int kStages = 4;  // of the ring; all but one are under way while one is used

// Of `Tensors` tensors of the same shape, in stages of some rows.
template <class T, int N, int Tensors>
class RowRing {
 public:
  // `shared` has room for kStages x stage_rows packets of each tensor and thread of the block.
  __device__ RowRing(const Rows<const T> (&from)[Tensors], const Chunks& chunks, int stage_rows,
                     T* shared, int64_t columns)
      : shared_(shared),
        first_(chunks.first(static_cast<int>(blockIdx.y)) + threadIdx.y),
        column_(N * (int64_t{blockIdx.x} * blockDim.x + threadIdx.x)),
        stage_rows_(stage_rows) {
    const int64_t rows = chunks.length(static_cast<int>(blockIdx.y));
    count_ = columns - column_ < N ? static_cast<int>(columns - column_) : N;
    if (count_ > 0 && rows > threadIdx.y)
      rows_ = static_cast<int>((rows - 1 - threadIdx.y) / blockDim.y) + 1;
    stages_ = (rows_ + stage_rows - 1) / stage_rows;
    GAN_UNROLL
    for (int t = 0; t < Tensors; ++t) from_[t] = from[t];
  }

  __device__ int64_t column() const { return column_; }
  // Of N; none or less in a thread without channels.
  __device__ int columns() const { return count_; }

  __device__ int rows() const { return rows_; }
  // Which row of the tensor this thread's row k is.
  __device__ int64_t row(int k) const { return first_ + int64_t{k} * blockDim.y; }

  // Sends for the first rows. The two passes have to follow.
  __device__ __forceinline__ void begin() {
    for (int stage = 0; stage < kStages; ++stage) fetch(stage);
  }

  // use(values, k, row) for every row, row(k), from the first to the last.
  template <class Use>
  __device__ __forceinline__ void pass_down(Use&& use) {
    for (int stage = 0; stage < stages_; ++stage) {
      gpu::cp_async_wait<kStages - 1>();
      use_stage(stage, use);
      fetch(stage + kStages);
    }
  }

  // The same from the last to the first, stage by stage. The last kStages are there.
  template <class Use>
  __device__ __forceinline__ void pass_up(Use&& use) {
    for (int stage = stages_ - 1; stage >= 0; --stage) {
      gpu::cp_async_wait<kStages - 1>();
      use_stage(stage, use);
      fetch(stage - kStages);
    }
    gpu::cp_async_wait<0>();
  }

 private:
  // Calls body(k, its place in the ring) for the rows of a stage, if there is one.
  template <class Body>
  __device__ __forceinline__ void for_stage(int stage, Body&& body) const {
    const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
    const int first = stage * stage_rows_, left = rows_ - first;
    const int count = left < stage_rows_ ? left : stage_rows_;
    T* place = shared_ + ((stage % kStages) * stage_rows_ * Tensors * kNormThreads + thread) * N;
    for (int i = 0; i < count; ++i, place += Tensors * kNormThreads * N) body(first + i, place);
  }

  // Copies that belong together, even if there is no such stage: so each stage is one more of them.
  __device__ __forceinline__ void fetch(int stage) {
    if (stage >= 0) {
      for_stage(stage, [&](int k, T* place) {
        GAN_UNROLL
        for (int t = 0; t < Tensors; ++t) {
          const T* const from = from_[t].at(row(k), column_);
          T* const to = place + t * kNormThreads * N;
          if constexpr (N * sizeof(T) == 16)
            gpu::cp_async<16>(to, from, count_ * static_cast<int>(sizeof(T)));
          else  // too small for such copies
            gpu::store_packet(to, load_packed<N>(from, count_));
        }
      });
    }
    gpu::cp_async_commit();
  }

  template <class Use>
  __device__ __forceinline__ void use_stage(int stage, Use&& use) {
    for_stage(stage, [&](int k, const T* place) {
      float v[Tensors][N];
      GAN_UNROLL
      for (int t = 0; t < Tensors; ++t)
        unpack(v[t], gpu::load_packet<T, N>(place + t * kNormThreads * N));
      use(v, k, row(k));
    });
  }

  Rows<const T> from_[Tensors];
  T* shared_;
  int64_t first_, column_;
  int stage_rows_, stages_, count_, rows_ = 0;
};

}  // namespace gan::cuda
