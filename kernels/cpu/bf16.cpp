#include "kernels/cpu/bf16.h"

#include <bit>

#include "kernels/cpu/simd.h"

namespace gan::cpu {
namespace {

// In whole numbers of 32 bits and without branches, so that compilers make vectors of it.
GAN_INLINE uint32_t rounded_bits(float value) {
  const auto u = std::bit_cast<uint32_t>(value);
  const uint32_t nearest = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  const uint32_t nan = (u >> 16) | 0x40u;
  return (u & 0x7fffffffu) > 0x7f800000u ? nan : nearest;
}

}  // namespace

GAN_SIMD void round_to_bf16(const float* from, int64_t count, bf16* to) {
  GAN_INDEPENDENT
  for (int64_t i = 0; i < count; ++i) to[i].bits = static_cast<uint16_t>(rounded_bits(from[i]));
}

GAN_SIMD void round_to_pairs(const float* first, const float* second, int64_t count, Pair* to) {
  if (!second) {
    for (int64_t i = 0; i < count; ++i) to[i] = {bf16(first[i]), bf16()};
    return;
  }
  GAN_INDEPENDENT
  for (int64_t i = 0; i < count; ++i) {
    to[i].first.bits = static_cast<uint16_t>(rounded_bits(first[i]));
    to[i].second.bits = static_cast<uint16_t>(rounded_bits(second[i]));
  }
}

}  // namespace gan::cpu
