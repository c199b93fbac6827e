// The activation functions and their slopes, for one number.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "kernels/backend.h"
#include "kernels/cpu/simd.h"

namespace gan::cpu {

// exp(x) = scale + scale * rest, for |x| < 87, to 1e-7 of itself: without branches or calls, so that
// loops of it become vectors.
//
// x = n ln 2 + r with a whole n and |r| <= ln 2 / 2: the scale is 2^n, and the rest, exp(r) - 1, the
// first seven terms of its Taylor series, of which the next would be 5e-9.
struct Exponential {
  float scale, rest;
};
GAN_INLINE Exponential exponential(float x) {
  // Added to a small number, this leaves the number's integer in the last bits.
  constexpr float kRound = 0x1.8p23f;
  // ln 2 in two parts, the first short enough for its products with n to be exact.
  constexpr float kHigh = 0x1.62ep-1f, kLow = static_cast<float>(std::numbers::ln2 - kHigh);
  const float shifted = x * std::numbers::log2e_v<float> + kRound, n = shifted - kRound;
  const float r = (x - n * kHigh) - n * kLow;
  float sum = 0;
  for (int k = 7; k > 1; --k) sum = (sum + 1) * (r * (1 / static_cast<float>(k)));
  const uint32_t exponent = std::bit_cast<uint32_t>(shifted) << 23;
  return {std::bit_cast<float>(exponent + std::bit_cast<uint32_t>(1.0f)), sum * r + r};
}

// |x| or `limit`, whichever is less; a NaN remains one.
GAN_INLINE float magnitude_up_to(float limit, float x) {
  const float magnitude = std::abs(x);
  return magnitude > limit ? limit : magnitude;
}

// tanh |x| = -m / (2 + m) with m = exp(-2 |x|) - 1: nothing cancels at any x.
GAN_INLINE float tanh_of(float x) {
  constexpr float kFlat = 10;  // from here on tanh is 1
  const Exponential e = exponential(-2 * magnitude_up_to(kFlat, x));
  const float m = e.scale * e.rest + (e.scale - 1);
  return std::copysign(m / (2 + m), x);
}

// The logistic function, 1 / (1 + exp(-x)). Below -86, where it is less than 5e-38, it falls no further.
GAN_INLINE float sigmoid_of(float x) {
  const Exponential parts = exponential(-magnitude_up_to(86, x));
  const float e = parts.scale * parts.rest + parts.scale;
  return (x < 0 ? e : 1.0f) / (1 + e);
}

template <Activation act>
GAN_INLINE float activate(float x) {
  if constexpr (act == Activation::relu) return x > 0 ? x : 0.0f;
  if constexpr (act == Activation::leaky_relu) return x > 0 ? x : kLeakySlope * x;
  if constexpr (act == Activation::sigmoid) return sigmoid_of(x);
  if constexpr (act == Activation::tanh) return tanh_of(x);
  return x;
}

// The slope at the point where the activation gave y, times dy. For relu and leaky_relu y may as
// well be the argument: both have the same sign.
template <Activation act>
GAN_INLINE float slope_times(float y, float dy) {
  if constexpr (act == Activation::relu) return y > 0 ? dy : 0.0f;
  if constexpr (act == Activation::leaky_relu) return y > 0 ? dy : kLeakySlope * dy;
  if constexpr (act == Activation::sigmoid) return dy * (y * (1.0f - y));
  if constexpr (act == Activation::tanh) return dy * (1.0f - y * y);
  return dy;
}

// Calls body.operator()<act>() for the activation named at run time, of those that are pieces of
// straight lines.
template <class Body>
GAN_INLINE void with_piecewise_activation(Activation act, Body&& body) {
  switch (act) {
    case Activation::relu:
      return body.template operator()<Activation::relu>();
    case Activation::leaky_relu:
      return body.template operator()<Activation::leaky_relu>();
    default:
      return body.template operator()<Activation::none>();
  }
}

// The same for all of them.
template <class Body>
GAN_INLINE void with_activation(Activation act, Body&& body) {
  switch (act) {
    case Activation::none:
      body.template operator()<Activation::none>();
      return;
    case Activation::relu:
      body.template operator()<Activation::relu>();
      return;
    case Activation::leaky_relu:
      body.template operator()<Activation::leaky_relu>();
      return;
    case Activation::sigmoid:
      body.template operator()<Activation::sigmoid>();
      return;
    case Activation::tanh:
      body.template operator()<Activation::tanh>();
      return;
  }
}

}  // namespace gan::cpu
