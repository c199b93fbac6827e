// Augmentation of what a discriminator sees, x and y: {N, H, W, C}. Picture n under warp a:
//   y[h, w] = 0 inside the square [cut_top, cut_top + cut_size) x [cut_left, cut_left + cut_size),
//   else x[h - down, w' - right], w' = W - 1 - w when mirrored, w otherwise, 0 outside of x.
// Every element of x reaches at most one of y, so the transpose, the backward pass, gathers too:
//   dx[i, j] = dy[i + down, w], w = j + right or W - 1 - (j + right), where that lies in y and not
//   in the square, else 0.
#pragma once

#include "kernels/backend.h"

namespace gan::reference {

template <class T>
void augment_forward(const Tensor& x, const Warp* warps, const Tensor& y);
template <class T>
void augment_backward(const Tensor& dy, const Warp* warps, const Tensor& dx, Write write);

}  // namespace gan::reference
