// Uniform noise, as the Backend asks for it.
#pragma once

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace gan::cuda {

// x is float32 or bfloat16.
void fill_uniform(const RandomKey& key, const Tensor& x, gpu::Stream stream);

}  // namespace gan::cuda
