// Uniform random numbers: number i is unit_float(word i%4 of RandomKey::block i/4).
#pragma once

#include "kernels/backend.h"

namespace gan::reference {

// Number `element`, in 0..1.
float uniform(const RandomKey& key, uint64_t element);

// x_i = uniform(key, i), i counted through N,H,W,C without gaps.
template <class T>
void fill_uniform(const RandomKey& key, const Tensor& x);

}  // namespace gan::reference
