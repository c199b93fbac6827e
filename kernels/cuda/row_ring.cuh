// The rows of a block of batch norm, twice: from the first to the last, then back. Included by
// batch_norm_train.cu.
//
// The threads of a block stand in a rectangle of kNormThreads, x along the channels, y down the rows; each takes
// N neighbouring channels of every blockDim.y-th row of its block's chunk, or of its every blockDim.y-th window of
// four rows. The rows pass through a ring of
// copies to shared memory, which holds the last ones when the way back begins with them. Nothing is
// shared between threads.
#pragma once

#include "kernels/cuda/rows.cuh"

namespace gan::cuda {

// A block's rows are numbered in the order in which its threads take them: kTogether at a time are one thread's.
// row(number): which row of the tensors that is. second_row(row): of the second tensor, of which kSecondShare rows
// of the first share one.

struct InOrder {
  static constexpr int kTogether = 1, kSecondShare = 1;
  __device__ __forceinline__ int64_t row(int64_t number) const { return number; }
  __device__ __forceinline__ int64_t second_row(int64_t row) const { return row; }
};

// Windows of 2x2 pixels of pictures of even height and width, one after the other; each one's pixels in reading
// order. Fewer than 2^31 rows.
struct ByWindows {
  static constexpr int kTogether = 4;
  uint32_t width;
  __device__ __forceinline__ int64_t row(int64_t number) const {
    const auto window = static_cast<uint32_t>(number / kTogether);
    const auto corner = static_cast<uint32_t>(number % kTogether);
    const uint32_t line = window / (width / 2);  // of windows: two of pixels above the next
    return int64_t{2} * window + (line + corner / 2) * width + corner % 2;
  }
};

// In order, with averages over such windows as the second tensor.
struct InOrderOverWindows {
  static constexpr int kTogether = 1, kSecondShare = 4;
  uint32_t width;
  __device__ __forceinline__ int64_t row(int64_t number) const { return number; }
  __device__ __forceinline__ int64_t second_row(int64_t row) const {
    const uint32_t line = static_cast<uint32_t>(row) / width;
    const uint32_t column = static_cast<uint32_t>(row) - line * width;
    return line / 2 * (width / 2) + column / 2;
  }
};

inline constexpr int kNormThreads = 512;  // of a block, with up to 128 registers each
inline constexpr int kStages = 4;  // of the ring; all but one are under way while one is used

// Of one or two tensors, in stages of some rows: whole ones of what an order keeps together, or one or two of four.
template <class T, int N, int Tensors, class Order>
class RowRing {
 public:
  // `shared` has room for kStages x stage_rows packets of each tensor and thread of the block. Chunks hold whole
  // ones of what the order keeps together.
  __device__ RowRing(const Rows<const T> (&from)[Tensors], const Chunks& chunks, Order order,
                     int stage_rows, T* shared, int64_t columns)
      : shared_(shared),
        order_(order),
        first_(chunks.first(static_cast<int>(blockIdx.y)) + kTogether * int64_t{threadIdx.y}),
        column_(N * (int64_t{blockIdx.x} * blockDim.x + threadIdx.x)),
        stage_rows_(stage_rows) {
    const int64_t together = chunks.length(static_cast<int>(blockIdx.y)) / kTogether;
    count_ = columns - column_ < N ? static_cast<int>(columns - column_) : N;
    if (count_ > 0 && together > threadIdx.y)
      rows_ = kTogether * (static_cast<int>((together - 1 - threadIdx.y) / blockDim.y) + 1);
    stages_ = (rows_ + stage_rows - 1) / stage_rows;
    GAN_UNROLL
    for (int t = 0; t < Tensors; ++t) from_[t] = from[t];
  }

  __device__ int64_t column() const { return column_; }
  // Of N; none or less in a thread without channels.
  __device__ int columns() const { return count_; }

  __device__ int rows() const { return rows_; }
  // Which row of the tensor this thread's row k is.
  __device__ __forceinline__ int64_t row(int k) const { return order_.row(number(k)); }
  // In which row of averages it is one of kTogether.
  __device__ __forceinline__ int64_t average(int k) const { return number(k) / kTogether; }

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
  static constexpr int kTogether = Order::kTogether;

  __device__ __forceinline__ int64_t number(int k) const {
    return first_ + int64_t{k / kTogether} * blockDim.y * kTogether + k % kTogether;
  }

  __device__ __forceinline__ int64_t row_of(int tensor, int64_t first) const {
    if constexpr (Tensors == 1)
      return first;
    else
      return tensor == 0 ? first : order_.second_row(first);
  }

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
        const int64_t first = row(k);
        GAN_UNROLL
        for (int t = 0; t < Tensors; ++t) {
          const T* const from = from_[t].at(row_of(t, first), column_);
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
  Order order_;
  int64_t first_, column_;
  int stage_rows_, stages_, count_, rows_ = 0;
};

}  // namespace gan::cuda
