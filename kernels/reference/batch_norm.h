// Batch norm over all pixels of a channel, then an activation, then dropout. x, y: {N, H, W, C}; gamma, beta and
// the statistics: {1, 1, 1, C}. With m = N*H*W:
//   mean = sum(x)/m, var = sum((x - mean)^2)/m, xhat = (x - mean) / sqrt(var + eps)
//   y = drop(act(z)), z = gamma * xhat + beta
// The running variance moves towards var * m/(m - 1); a single value (m = 1) counts as var = 0.
// Backward, with dz = drop(dy) * act'(z):
//   dbeta = sum(dz), dgamma = sum(dz * xhat)
//   dx = gamma / sqrt(var + eps) * (dz - dbeta/m - xhat * dgamma/m)
// where dx may be x itself. y, and dy with it, may be {N, H/2, W/2, C}, H and W even: the averages of the
// above over 2x2 windows, whose gradient reaches each of the four as a quarter.
#pragma once

#include "kernels/backend.h"

namespace gan::reference {

template <class T>
void batch_norm_train(const Tensor& x, const BatchNorm& norm, Activation act,
                      const Dropout& dropout, const BatchNormSaved& saved, const Tensor& y);

template <class T>
void batch_norm_infer(const Tensor& x, const BatchNorm& norm, Activation act, const Tensor& y);

template <class T>
void batch_norm_backward(const Tensor& x, const Tensor& dy, const BatchNorm& norm, Activation act,
                         const Dropout& dropout, const BatchNormSaved& saved, const Tensor& dx,
                         const Tensor& dgamma, const Tensor& dbeta, Write write);

// folded_w = w * s and folded_bias = beta - running_mean * s, s = gamma / sqrt(running_var + eps),
// along the output channels of w: {C_out, S, S, C_in}, or {C_in, S, S, C_out} when transposed.
template <class T>
void batch_norm_fold(const Tensor& w, const BatchNorm& norm, bool transposed,
                     const Tensor& folded_w, const Tensor& folded_bias);

}  // namespace gan::reference
