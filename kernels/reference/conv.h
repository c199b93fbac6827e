// Convolution, x: {N, H, W, C}, w: {K, S, S, C}, y: {N, P, Q, K}, kernel extent S:
//   y[n, p, q, k] = act(bias[k] + sum over r, s, c of x[n, h, w, c] * w[k, r, s, c])
//   with h = p*stride + r - padding, w = q*stride + s - padding; pixels outside x count as zero.
// The three functions below serve transposed convolution too: its forward pass is the data
// gradient, its data gradient is the convolution, and its weight gradient swaps x and dy.
#pragma once

#include "kernels/backend.h"

namespace gan::reference {

template <class T>
void convolve(const ConvGeometry& geometry, const Tensor& x, const Tensor& w,
              const Epilogue& epilogue, const Tensor& y, Write write);

//   dx[n, h, w, c] = act(bias[c] + sum over r, s, k of dy[n, p, q, k] * w[k, r, s, c])
// over those p, q whose window holds the pixel h, w.
template <class T>
void convolve_data_gradient(const ConvGeometry& geometry, const Tensor& dy, const Tensor& w,
                            const Epilogue& epilogue, const Tensor& dx, Write write);

//   dw[k, r, s, c] = sum over n, p, q of dy[n, p, q, k] * x[n, h, w, c]
template <class T>
void convolve_weight_gradient(const ConvGeometry& geometry, const Tensor& x, const Tensor& dy,
                              const Tensor& dw, Write write);

}  // namespace gan::reference
