// Activations alone, element by element.
#pragma once

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace gan::cuda {

// y = act(x)
void activation_forward(Activation act, const Tensor& x, const Tensor& y, gpu::Stream stream);
// dx = dy * act'(x), from y = act(x)
void activation_backward(Activation act, const Tensor& y, const Tensor& dy, const Tensor& dx,
                         Write write, gpu::Stream stream);

}  // namespace gan::cuda
