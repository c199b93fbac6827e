// The optimiser's update.
#pragma once

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace gan::cuda {

// One step over flat float32 vectors; the step's number is read on the device. `copy` (bfloat16, or
// empty) receives the new parameters rounded.
void adam(const AdamSettings& settings, const UpdateControl* control, const Tensor& parameters,
          const Tensor& gradients, const Tensor& first_moment, const Tensor& second_moment,
          const Tensor& copy, gpu::Stream stream);

}  // namespace gan::cuda
