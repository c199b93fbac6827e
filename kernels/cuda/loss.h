// Losses: value and gradient in one pass.
#pragma once

#include <cstddef>

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace gan::cuda {

// Scratch memory of each of these functions.
size_t loss_scratch_bytes();

// `loss` (one float32 number) receives the mean; dx, when wanted, weight * d(loss)/dx.
void bce_with_logits(const Tensor& x, float target, float weight, const Tensor& loss,
                     const Tensor& dx, Write write, void* scratch, gpu::Stream stream);
void l1_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
             const Tensor& dx, Write write, void* scratch, gpu::Stream stream);
void mse_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
              const Tensor& dx, Write write, void* scratch, gpu::Stream stream);
void relativistic_loss(const Tensor& higher, const Tensor& lower, float weight, const Tensor& loss,
                       const Tensor& d_higher, const Tensor& d_lower, Write write, void* scratch,
                       gpu::Stream stream);

// loss = share * the sum of `count` partial sums, always in the same order.
void finish_loss(const float* partial, int64_t count, float share, const Tensor& loss,
                 gpu::Stream stream);

}  // namespace gan::cuda
