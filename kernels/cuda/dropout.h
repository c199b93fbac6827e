// Dropout and uniform noise, from the same random numbers as on every other device.
#pragma once

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace gan::cuda {

// y = x / (1 - p) where the element is kept, 0 where it is dropped; key.step is read on the device.
void dropout(float p, const RandomKey& key, const Tensor& x, const Tensor& y, Write write,
             gpu::Stream stream);
// Uniform in [0, 1).
void fill_uniform(const RandomKey& key, const Tensor& x, gpu::Stream stream);

}  // namespace gan::cuda
