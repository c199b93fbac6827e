// Filling, copying, adding, mixing and transposing tensors, and sums over pixels.
#pragma once

#include <cstddef>

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace gan::cuda {

void fill(const Tensor& x, float value, gpu::Stream stream);
// y = x; each may be float32 or bfloat16.
void copy(const Tensor& x, const Tensor& y, gpu::Stream stream);
void add(const Tensor& x, const Tensor& y, gpu::Stream stream);  // y += x
// y = a*x + b*y, both of one type.
void axpby(float a, const Tensor& x, float b, const Tensor& y, gpu::Stream stream);
// The same with a and b in device memory, two float32 numbers.
void mix(const Tensor& factors, const Tensor& x, const Tensor& y, gpu::Stream stream);
// y[c, r, s, k] = x[k, r, s, c]: weights as the opposite direction wants them. Types as in copy.
void transpose(const Tensor& x, const Tensor& y, gpu::Stream stream);

// sums[c] (float32) = sum over all pixels of x[.., c].
size_t channel_sum_scratch_bytes(const Shape& x);
void channel_sum(const Tensor& x, const Tensor& sums, Write write, void* scratch,
                 gpu::Stream stream);

}  // namespace gan::cuda
