// Fully connected layer, x: {N, H, W, C}, w: {O, H, W, C}, y: {N, 1, 1, O}:
//   y[n, o] = bias[o] + sum over h, w, c of x[n, h, w, c] * w[o, h, w, c]
//   dx[n, h, w, c] = sum over o of dy[n, o] * w[o, h, w, c]
//   dw[o, h, w, c] = sum over n of dy[n, o] * x[n, h, w, c]
#pragma once

#include "kernels/backend.h"

namespace gan::reference {

template <class T>
void linear_forward(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y);
template <class T>
void linear_backward_data(const Tensor& dy, const Tensor& w, const Tensor& dx, Write write);
template <class T>
void linear_backward_weights(const Tensor& x, const Tensor& dy, const Tensor& dw, Write write);

}  // namespace gan::reference
