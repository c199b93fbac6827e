// Augmentation of what a discriminator sees: moved, mirrored, partly blank.
#pragma once

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace gan::cuda {

// warps: one per picture, in device memory.
void augment_forward(const Tensor& x, const Warp* warps, const Tensor& y, gpu::Stream stream);
void augment_backward(const Tensor& dy, const Warp* warps, const Tensor& dx, Write write,
                      gpu::Stream stream);

}  // namespace gan::cuda
