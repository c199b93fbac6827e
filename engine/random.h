// Counter-based random numbers: number i of a stream is a function of (seed, stream, i) alone, so a generator
// is saved as three integers.
#pragma once

#include <array>
#include <cstdint>

namespace gan {

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a keyed
// bijection of 128-bit counters. Four 32-bit numbers for each (key, counter) pair. Header-only, so
// that kernels on any device compute the same numbers.
struct Philox {
  using Block = std::array<uint32_t, 4>;

  static constexpr Block at(uint64_t key, uint64_t counter_high, uint64_t counter_low) {
    uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
    Block x = {static_cast<uint32_t>(counter_low), static_cast<uint32_t>(counter_low >> 32),
               static_cast<uint32_t>(counter_high), static_cast<uint32_t>(counter_high >> 32)};
    for (int round = 0; round < 10; ++round) {
      const uint64_t p0 = uint64_t{0xD2511F53u} * x[0];
      const uint64_t p1 = uint64_t{0xCD9E8D57u} * x[2];
      x = {static_cast<uint32_t>(p1 >> 32) ^ x[1] ^ k0, static_cast<uint32_t>(p1),
           static_cast<uint32_t>(p0 >> 32) ^ x[3] ^ k1, static_cast<uint32_t>(p0)};
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    return x;
  }
};

// The 24 upper bits as a float in [0, 1).
constexpr float unit_float(uint32_t bits) {
  return static_cast<float>(bits >> 8) * 0x1p-24f;
}

// A sequence of random numbers. `seed` and `stream` name the sequence, `position` the next number
// in it; the three together are the whole state, so saving them saves the generator.
class Random {
 public:
  struct State {
    uint64_t seed = 0, stream = 0, position = 0;
    bool operator==(const State&) const = default;
  };

  explicit Random(uint64_t seed, uint64_t stream = 0) : state_{seed, stream, 0} {}
  explicit Random(State state) : state_(state) {}

  const State& state() const { return state_; }

  uint32_t next_u32();
  uint64_t next_u64();
  // Uniform in [0, 1).
  float uniform() { return unit_float(next_u32()); }
  double uniform_f64() { return static_cast<double>(next_u64() >> 11) * 0x1p-53; }
  // Uniform in [0, bound), without bias. `bound` must be positive.
  uint32_t below(uint32_t bound);
  // Standard normal (Box-Muller).
  double normal();

 private:
  State state_;
};

// Where a random operation inside a training step draws its numbers: element i of the operation
// uses Philox::at(seed, stream, step and i). `step` points to a number in the device's memory, so
// that a recorded step can be replayed with fresh numbers.
struct RandomKey {
  uint64_t seed = 0;
  uint32_t stream = 0;  // differs between the random operations of one step
  const uint64_t* step = nullptr;

  // The block that holds the numbers of elements 4*index .. 4*index + 3.
  static constexpr Philox::Block block(uint64_t seed, uint32_t stream, uint64_t step,
                                       uint64_t index) {
    return Philox::at(seed, (step << 20) | stream, index);
  }
};

}  // namespace gan
