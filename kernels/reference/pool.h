// Pooling over 2x2 windows, stride 2. x: {N, H, W, C}, y: {N, H/2, W/2, C}; an odd last row or
// column of x belongs to no window, and its gradient is zero.
//   average: y[n, p, q, c] = mean of x[n, 2p..2p+1, 2q..2q+1, c], dx = dy/4 in each of the four; where
//            x = act(z), the gradient of z is that of x times act'(z)
//   maximum: y = max of the four; dx = dy at the first maximum in reading order, 0 at the others
#pragma once

#include "kernels/backend.h"

namespace gan::reference {

template <class T>
void avg_pool_forward(const Tensor& x, const Tensor& y);
template <class T>
void avg_pool_backward(Activation act, const Tensor& x, const Tensor& dy, const Tensor& dx,
                       Write write);
template <class T>
void max_pool_forward(const Tensor& x, const Tensor& y);
template <class T>
void max_pool_backward(const Tensor& x, const Tensor& dy, const Tensor& dx, Write write);

}  // namespace gan::reference
