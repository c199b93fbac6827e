// Filling, copying, adding and mixing (y = a*x + b*y), x and y: {N, H, W, C}; and the sum over all
// pixels of each channel, sums: {1, 1, 1, C}.
#pragma once

#include "kernels/backend.h"

namespace gan::reference {

template <class T>
void fill(const Tensor& x, float value);
template <class T>
void copy(const Tensor& x, const Tensor& y);
template <class T>
void add(const Tensor& x, const Tensor& y);
template <class T>
void axpby(float a, const Tensor& x, float b, const Tensor& y);
template <class T>
void channel_sum(const Tensor& x, const Tensor& sums, Write write);

}  // namespace gan::reference
