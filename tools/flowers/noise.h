// Random draws and lattice noise. Integer arithmetic decides everything, so the same seed gives the
// same picture on every compiler and at every thread count.
#pragma once

#include <cstdint>

#include "engine/random.h"
#include "tools/flowers/vec.h"

namespace gan::flowers {

// The draws of one picture or one part of it. Draw k depends on (seed, stream, k) only, so a
// picture never depends on the pictures drawn before it. Never draw twice in one expression: C++
// leaves the order of operands and arguments to the compiler.
class Rng {
 public:
  Rng(uint64_t seed, uint64_t stream) : random_(seed, stream) {}

  float uniform() { return random_.uniform(); }
  float uniform(float lo, float hi) { return lo + (hi - lo) * uniform(); }
  // A whole number in lo..hi, both included.
  int integer(int lo, int hi) {
    return lo + static_cast<int>(random_.below(static_cast<uint32_t>(hi - lo + 1)));
  }
  bool chance(float p) { return uniform() < p; }
  // Bell-shaped around 0 with standard deviation 1, never beyond 3.5. Adding uniforms, unlike
  // Box-Muller, needs no logarithm, whose last digit differs between maths libraries.
  float normal() {
    float sum = 0;
    for (int k = 0; k < 4; ++k) sum += uniform();
    return (sum - 2.0f) * 1.7320508f;
  }
  uint64_t bits() { return random_.next_u64(); }
  // A new independent sequence, so that a change in one part of a scene leaves the others alone.
  Rng split() {
    const uint64_t seed = bits();
    return Rng(seed, bits());
  }

 private:
  Random random_;
};

// A value in 0..1 at lattice point (x, y).
inline float lattice(int32_t x, int32_t y) {
  uint32_t h = static_cast<uint32_t>(x) * 0x85ebca6bu ^ static_cast<uint32_t>(y) * 0xc2b2ae35u;
  h = (h ^ (h >> 15)) * 0x2c1b3c6du;
  h = (h ^ (h >> 12)) * 0x297a2d39u;
  return static_cast<float>((h ^ (h >> 15)) >> 8) * 0x1p-24f;
}

// Smooth noise in 0..1 with features of size 1.
float noise(float x, float y);

// `octaves` layers of noise, each at twice the frequency and half the weight; 0..1.
float fbm(float x, float y, int octaves);

// Distance to the nearest of the points scattered one per unit cell, 0..about 1.2; `id` receives
// that point's own random value in 0..1.
float cells(float x, float y, float* id);

}  // namespace gan::flowers
