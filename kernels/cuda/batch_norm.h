// Batch norm, the activation after it (none, relu or leaky_relu) and dropout, as the Backend asks for them.
#pragma once

#include <cstddef>

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace gan::cuda {

// Scratch memory of batch_norm_train and batch_norm_backward over x of this shape.
size_t batch_norm_scratch_bytes(const Shape& x);

// The functions of Backend. x, y, dy, dx are float32 or bfloat16, everything else float32.
void batch_norm_train(const Tensor& x, const BatchNorm& norm, Activation act,
                      const Dropout& dropout, const BatchNormSaved& saved, const Tensor& y,
                      void* scratch, gpu::Stream stream);
void batch_norm_infer(const Tensor& x, const BatchNorm& norm, Activation act, const Tensor& y,
                      gpu::Stream stream);
void batch_norm_backward(const Tensor& x, const Tensor& dy, const BatchNorm& norm, Activation act,
                         const Dropout& dropout, const BatchNormSaved& saved, const Tensor& dx,
                         const Tensor& dgamma, const Tensor& dbeta, Write write, void* scratch,
                         gpu::Stream stream);
void batch_norm_fold(const Tensor& w, const BatchNorm& norm, bool transposed,
                     const Tensor& folded_w, const Tensor& folded_bias, gpu::Stream stream);

}  // namespace gan::cuda
