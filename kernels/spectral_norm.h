// Spectral normalisation: weights divided by their largest singular value (Miyato et al., "Spectral
// normalization for generative adversarial networks", 2018).
#pragma once

#include "kernels/ops.h"

namespace gan::ops {

// With W = w as a matrix of w.n rows, u an estimate of its first left singular vector and one step
// of power iteration,
//
//   v = W'u / |W'u|,  u <- Wv / |Wv|,  sigma = u'Wv,  result = W / sigma.
//
// u and v count as constants, as they do in the original, so with G the result's gradient w receives
// (G - <G, W/sigma> u v') / sigma.
//
// `left`: u, {1, 1, 1, w.n}, any values but all zeros at first; training improves it, inference
// leaves it alone. The norms pass through the host, so such a step cannot be captured in a graph.
Variable& spectral_norm(Context& context, Variable& w, const Tensor& left);

}  // namespace gan::ops
