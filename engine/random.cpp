#include "engine/random.h"

#include <cmath>
#include <numbers>

#include "engine/error.h"

namespace gan {

uint32_t Random::next_u32() {
  const uint64_t position = state_.position++;
  return Philox::at(state_.seed, state_.stream, position / 4)[position % 4];
}

uint64_t Random::next_u64() {
  const uint64_t high = next_u32();
  return high << 32 | next_u32();
}

uint32_t Random::below(uint32_t bound) {
  require(bound > 0, "Random::below needs a positive bound");
  // Numbers at or above the largest multiple of `bound` would favour small results: draw again.
  const uint32_t limit = UINT32_MAX - (UINT32_MAX % bound + 1) % bound;
  uint32_t value = next_u32();
  while (value > limit) value = next_u32();
  return value % bound;
}

double Random::normal() {
  const double u = 1.0 - uniform_f64();  // in (0, 1]: log(u) is finite
  const double v = uniform_f64();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

}  // namespace gan
