// Dropout in the passes of batch norm, over the rows of a RowRing. Included by batch_norm_train.cu.
//
// What is dropped follows from an element's place (uniform.cuh), so that the backward pass draws it again. That takes
// some 25 instructions an element; so a thread draws ahead, while its first rows are still on their
// way, and keeps the answers, a byte for the N elements of a row, in shared memory for both passes. Only rows
// beyond kMaskRows are drawn when they come, in each pass.
#pragma once

#include <cmath>

#include "kernels/cuda/row_ring.cuh"
#include "kernels/cuda/uniform.cuh"

namespace gan::cuda {

inline constexpr int kMaskRows = 16;  // of a thread

// Of a launch whose first channel is `first` of all `channels` of a tensor, and whose blockIdx.z is the kind of
// pictures.
struct Drop {
  bool some = false;
  uint32_t below =
      0;  // drops an element whose random word is less: unit_float of which is less than p
  float factor = 1;  // of what is kept
  RandomKey key = {};
  int64_t first = 0, channels = 0;

  Drop() = default;
  Drop(const Dropout& dropout, int64_t first_channel, int64_t all_channels)
      : some(static_cast<bool>(dropout)),
        below(static_cast<uint32_t>(std::ceil(dropout.p * 0x1p24f)) << 8),
        factor(dropout.factor()),
        key(dropout.key),
        first(first_channel),
        channels(all_channels) {}
  // Bytes of shared memory.
  static constexpr int mask_bytes(bool some) { return some ? kMaskRows * kNormThreads : 0; }
};

// A thread's.
template <int N>
class Dropper {
 public:
  __device__ __forceinline__ Dropper(const Drop& drop, uint8_t* masks, int64_t column)
      : drop_(drop),
        masks_(masks + threadIdx.y * blockDim.x + threadIdx.x),
        column_(drop.first + column),
        step_(drop.some ? *drop.key.step : 0) {}

  // Draws for the first rows of `ring`.
  template <class Ring>
  __device__ __forceinline__ void draw_ahead(const Ring& ring) {
    if (!drop_.some) return;
    const int rows = ring.rows() < kMaskRows ? ring.rows() : kMaskRows;
    for (int k = 0; k < rows; ++k)
      masks_[k * kNormThreads] = static_cast<uint8_t>(draw(ring.row(k)));
  }

  // v: results, or gradients by them, of row k of the ring, which is `row` of the tensor.
  __device__ __forceinline__ void apply(float (&v)[N], int k, int64_t row) const {
    if (!drop_.some) return;
    const uint32_t kept = k < kMaskRows ? masks_[k * kNormThreads] : draw(row);
    GAN_UNROLL
    for (int i = 0; i < N; ++i) v[i] = kept >> i & 1 ? v[i] * drop_.factor : 0.0f;
  }

 private:
  // Bit i: whether element i is kept.
  __device__ __forceinline__ uint32_t draw(int64_t row) const {
    uint32_t words[N];
    random_words(words, drop_.key.seed, drop_.key.stream + blockIdx.z, step_,
                 row * drop_.channels + column_);
    uint32_t kept = 0;
    GAN_UNROLL
    for (int i = 0; i < N; ++i) kept |= (words[i] >= drop_.below ? 1u : 0u) << i;
    return kept;
  }

  const Drop& drop_;
  uint8_t* masks_;
  int64_t column_;
  uint64_t step_;
};

}  // namespace gan::cuda
