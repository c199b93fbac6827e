// Random numbers of a tensor's elements: u_i = unit_float(word i%4 of RandomKey::block i/4), i counted through
// {N, H, W, C} without gaps. So a packet of four elements needs one Philox block, and what is drawn for
// an element can be drawn again instead of stored. A block is about 100 instructions, 25 an element.
#pragma once

#include "engine/random.h"
#include "kernels/cuda/rows.cuh"

namespace gan::cuda {

// The random words of N elements from `element` on; N is 1 or `element` is a multiple of 4.
template <int N>
__device__ __forceinline__ void random_words(uint32_t (&words)[N], uint64_t seed, uint32_t stream,
                                             uint64_t step, uint64_t element) {
  if constexpr (N == 1) {
    const Philox::Block block = RandomKey::block(seed, stream, step, element / 4);
    const uint32_t low = element & 1 ? block[1] : block[0];
    const uint32_t high = element & 1 ? block[3] : block[2];
    words[0] = element & 2 ? high : low;
  } else {
    GAN_UNROLL
    for (int i = 0; i < N; i += 4) {
      const Philox::Block block = RandomKey::block(seed, stream, step, (element + i) / 4);
      GAN_UNROLL
      for (int j = 0; j < 4; ++j) words[i + j] = block[j];
    }
  }
}

// Whether packets of elements in rows of `columns` begin with a block's first number.
inline bool draws_packets(int64_t rows, int64_t columns) {
  return rows == 1 || columns % 4 == 0;
}

}  // namespace gan::cuda
