// Losses of chroma against the truth: value and gradient in one pass.
#pragma once

#include <cstddef>

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace gan::cuda {

// `loss` (one float32 number) receives the value; dx, when wanted, weight * d(loss)/dx. weights:
// float32.
size_t chroma_loss_scratch_bytes();
void chroma_loss(const Tensor& x, const Tensor& target, const Tensor& weights, float beta,
                 float weight, const Tensor& loss, const Tensor& dx, Write write, void* scratch,
                 gpu::Stream stream);

size_t moment_loss_scratch_bytes(const Shape& x);
void moment_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
                 const Tensor& dx, Write write, void* scratch, gpu::Stream stream);

}  // namespace gan::cuda
