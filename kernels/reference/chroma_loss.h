// Losses of chroma against the truth; `loss` is one number, dx may be empty.
//
// chroma_loss, x and target: {N, H, W, 2}, weights: {1, B, B, 1}, m = all elements, d = x - target:
//   loss = 1/m * sum of v * (d^2/(2 beta) where |d| < beta, |d| - beta/2 elsewhere)
//   dx = weight/m * v * (d/beta where |d| < beta, sign(d) elsewhere)
// where v is the weight of the cell that holds the pixel's target (see backend.h).
//
// moment_loss, x and target: {N, H, W, C}, m = H*W. With mean and s = sqrt(variance + eps) of each
// picture's channel, M and S those of the truth, eps = 1e-4:
//   loss = 1/(N*C) * sum of |mean - M| + |s - S|
//   dx = weight/(N*C*m) * (sign(mean - M) + sign(s - S) * (x - mean)/s)
#pragma once

#include "kernels/backend.h"

namespace gan::reference {

template <class T>
void chroma_loss(const Tensor& x, const Tensor& target, const Tensor& weights, float beta,
                 float weight, const Tensor& loss, const Tensor& dx, Write write);
template <class T>
void moment_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
                 const Tensor& dx, Write write);

}  // namespace gan::reference
