// Pooling over 2x2 windows, stride 2.
#pragma once

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace gan::cuda {

void avg_pool_forward(const Tensor& x, const Tensor& y, gpu::Stream stream);
void avg_pool_backward(Activation act, const Tensor& x, const Tensor& dy, const Tensor& dx,
                       Write write, gpu::Stream stream);
void max_pool_forward(const Tensor& x, const Tensor& y, gpu::Stream stream);
void max_pool_backward(const Tensor& x, const Tensor& dy, const Tensor& dx, Write write,
                       gpu::Stream stream);

}  // namespace gan::cuda
