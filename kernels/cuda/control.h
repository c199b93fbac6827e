// Decisions of a training step, taken in the device's memory.
#pragma once

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace gan::cuda {

// See Backend::begin_update and Backend::balance; numbers, squares and result are dense float32,
// everything lies in device memory.
void begin_update(const Tensor& numbers, const UpdateControl* after, UpdateControl* control,
                  gpu::Stream stream);
void balance(const Tensor& squares, const UpdateControl* after, GradientBalance* balance,
             const Tensor& result, gpu::Stream stream);

}  // namespace gan::cuda
