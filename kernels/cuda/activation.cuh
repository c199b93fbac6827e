// The activation functions and their slopes, for one number.
#pragma once

#include <cmath>

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace gan::cuda {

__device__ __forceinline__ float activate(Activation act, float x) {
  switch (act) {
    case Activation::none:
      return x;
    case Activation::relu:
      return x > 0 ? x : 0.0f;
    case Activation::leaky_relu:
      return x > 0 ? x : kLeakySlope * x;
    case Activation::sigmoid:
      return gpu::fast_divide(1.0f, 1.0f + gpu::fast_exp(-x));
    case Activation::tanh:
      return tanhf(x);
  }
  return x;
}

// Many numbers, one decision.
template <int N>
__device__ __forceinline__ void activate_all(Activation act, float (&v)[N]) {
  if (act == Activation::none) return;
  if (act == Activation::relu) {
    GAN_UNROLL
    for (float& x : v) x = activate(Activation::relu, x);
  } else if (act == Activation::leaky_relu) {
    GAN_UNROLL
    for (float& x : v) x = activate(Activation::leaky_relu, x);
  } else {
    GAN_UNROLL
    for (float& x : v) x = activate(act, x);
  }
}

// act'(x) from y = act(x).
__device__ __forceinline__ float slope_at_output(Activation act, float y) {
  switch (act) {
    case Activation::none:
      return 1.0f;
    case Activation::relu:
      return y > 0 ? 1.0f : 0.0f;
    case Activation::leaky_relu:
      return y > 0 ? 1.0f : kLeakySlope;
    case Activation::sigmoid:
      return y * (1.0f - y);
    case Activation::tanh:
      return 1.0f - y * y;
  }
  return 1.0f;
}

// d times the slopes at y: many numbers, one decision.
template <int N>
__device__ __forceinline__ void times_slopes(Activation act, const float (&y)[N], float (&d)[N]) {
  const auto times = [&](Activation known) {
    GAN_UNROLL
    for (int i = 0; i < N; ++i) d[i] *= slope_at_output(known, y[i]);
  };
  if (act == Activation::relu) times(Activation::relu);
  if (act == Activation::leaky_relu) times(Activation::leaky_relu);
  if (act == Activation::sigmoid) times(Activation::sigmoid);
  if (act == Activation::tanh) times(Activation::tanh);
}

// none, relu and leaky_relu are one function, x > 0 ? x : slope * x.
inline float negative_slope(Activation act) {
  require(act == Activation::none || act == Activation::relu || act == Activation::leaky_relu,
          "only none, relu and leaky_relu follow a batch norm");
  return act == Activation::none ? 1.0f : act == Activation::relu ? 0.0f : kLeakySlope;
}

}  // namespace gan::cuda
