// The activation functions and their slopes, for one number.
#pragma once

#include <cmath>

#include "kernels/backend.h"
#include "kernels/cpu/simd.h"

namespace gan::cpu {

template <Activation act>
GAN_INLINE float activate(float x) {
  if constexpr (act == Activation::relu) return x > 0 ? x : 0.0f;
  if constexpr (act == Activation::leaky_relu) return x > 0 ? x : kLeakySlope * x;
  if constexpr (act == Activation::sigmoid) return 1.0f / (1.0f + std::exp(-x));
  if constexpr (act == Activation::tanh) return std::tanh(x);
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
