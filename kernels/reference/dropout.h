// Dropout: y = x / (1 - p) where the element is kept, 0 where it is dropped. Element i, counted
// through N,H,W,C without gaps, is dropped when unit_float(word i%4 of RandomKey::block i/4) < p.
#pragma once

#include "kernels/backend.h"

namespace gan::reference {

template <class T>
void dropout(float p, const RandomKey& key, const Tensor& x, const Tensor& y, Write write);

// x_i = unit_float(word i%4 of RandomKey::block i/4).
template <class T>
void fill_uniform(const RandomKey& key, const Tensor& x);

}  // namespace gan::reference
