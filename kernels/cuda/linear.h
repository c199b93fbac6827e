// Fully connected layers.
#pragma once

#include <cstddef>

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace gan::cuda {

// Scratch memory of linear_forward from x to y.
size_t linear_scratch_bytes(const Shape& x, const Shape& y);

// y[n, o] = bias[o] + sum over h, w, c of x[n, h, w, c] * w[o, h, w, c]. w, bias, dw: float32.
void linear_forward(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y,
                    void* scratch, gpu::Stream stream);
// The end of linear_forward: y[n, o] = bias[o] + the sum of `chunks` parts. parts: float32
// {pictures, outputs, chunks}. No bias: zero.
void linear_finish(const float* parts, int chunks, const Tensor& bias, const Tensor& y,
                   gpu::Stream stream);
void linear_backward_data(const Tensor& dy, const Tensor& w, const Tensor& dx, Write write,
                          gpu::Stream stream);
void linear_backward_weights(const Tensor& x, const Tensor& dy, const Tensor& dw, Write write,
                             gpu::Stream stream);

}  // namespace gan::cuda
