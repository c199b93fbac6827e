// The gradient penalty (R1, R2) of a piecewise linear network, exactly and without differentiating
// twice.
#pragma once

#include <vector>

#include "kernels/ops.h"

namespace gan::ops {

// pool(act(conv(x) + bias)). `act` is none, relu or leaky_relu; the
// convolution is not transposed.
struct ChainStage {
  Conv conv;
  Variable* w = nullptr;
  Variable* bias = nullptr;
  Activation act = Activation::none;
  Pooling pooling = Pooling::none;
};

struct ChannelRange {
  int64_t first = 0, count = 0;
};

// With D(x) the mean over all outputs of the chain for one picture and g = dD/dx, of which only the
// given channels count,
//
//   penalty = gamma/2 * mean over pictures of |g|^2        (Mescheder, Geiger, Nowozin, "Which
//   training methods for GANs do actually converge?", 2018: R1 on real pictures, R2 on generated)
//
// is added to the gradients of the chain's weights. Returns the mean of g's squares over all its
// elements, one number (in `into` or fresh memory); times H * W * (channels of x) that is the mean of |g|^2.
//
// How: where no pre-activation is 0 the chain is linear, D(x) = <g, x> + const, and with the same
// slopes a "tangent" pass of any t_0 through the stages without biases gives <g, t_0>. Its gradient
// with respect to a stage's weights is wgrad(delta_l, t_{l-1}), delta_l being D's gradient at the
// stage's convolution. For t_0 = g * gamma/N this is the penalty's gradient, because the weights
// enter |g|^2 = <g, t_0> twice and alike, which the 1/2 halves. Biases do not enter at all. Cost: a
// forward, a backward and a tangent pass and one weight gradient.
Tensor gradient_penalty(Context& context, const std::vector<ChainStage>& chain, const Tensor& x,
                        const ChannelRange& channels, float gamma, const Tensor& into = {});

}  // namespace gan::ops
