// Upsampling to twice the extents, bilinear.
#pragma once

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace gan::cuda {

void upsample_forward(const Tensor& x, const Tensor& y, gpu::Stream stream);
void upsample_backward(const Tensor& dy, const Tensor& dx, Write write, gpu::Stream stream);

}  // namespace gan::cuda
