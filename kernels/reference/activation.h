// Activations, element by element: y = act(x), dx = dy * act'(x).
#pragma once

#include <cmath>

#include "kernels/backend.h"

namespace gan::reference {

inline double activate(Activation act, double x) {
  switch (act) {
    case Activation::none:
      return x;
    case Activation::relu:
      return x > 0 ? x : 0;
    case Activation::leaky_relu:
      return x > 0 ? x : kLeakySlope * x;
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
  }
  return x;
}

// act'(x) from y = act(x). At the kink of the ReLUs it is the slope of the left side.
inline double slope_at_output(Activation act, double y) {
  switch (act) {
    case Activation::none:
      return 1;
    case Activation::relu:
      return y > 0 ? 1 : 0;
    case Activation::leaky_relu:
      return y > 0 ? 1 : kLeakySlope;
    case Activation::sigmoid:
      return y * (1 - y);
    case Activation::tanh:
      return 1 - y * y;
  }
  return 1;
}

template <class T>
void activation_forward(Activation act, const Tensor& x, const Tensor& y);

template <class T>
void activation_backward(Activation act, const Tensor& y, const Tensor& dy, const Tensor& dx,
                         Write write);

}  // namespace gan::reference
