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

// y = act(y + bias), where the convolution that left the sums in y cannot do it itself. bias: float32, one
// for each channel; empty: none.
void bias_activation(Activation act, const Tensor& bias, const Tensor& y, gpu::Stream stream);

}  // namespace gan::cuda
