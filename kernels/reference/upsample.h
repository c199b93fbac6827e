// Upsampling to twice the extents, x: {N, H, W, C}, y: {N, 2H, 2W, C}, bilinear with half-pixel
// centres. Along each axis, for a = 0, 1:
//   y[2p + a] = 3/4 x[p] + 1/4 x[p - 1 + 2a], the neighbour limited to the picture.
// Backward is the transpose: dx[p] gathers from dy[2p - 1 .. 2p + 2] with 1/4, 3/4, 3/4, 1/4, and at
// the border what the missing neighbour would have got.
#pragma once

#include "kernels/backend.h"

namespace gan::reference {

template <class T>
void upsample_forward(const Tensor& x, const Tensor& y);
template <class T>
void upsample_backward(const Tensor& dy, const Tensor& dx, Write write);

}  // namespace gan::reference
