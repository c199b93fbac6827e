// A training batch out of the photo set in the GPU's memory.
#pragma once

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace gan::cuda {

// photos: uint8 {P, H, W, 3}; picks: one per picture, in device memory; gray, color: {N, h, w, 3},
// float32 or bfloat16. A pick of a photo that does not exist makes its picture NaN.
void assemble_batch(const Tensor& photos, const PhotoPick* picks, ColorSpace space,
                    const Tensor& gray, const Tensor& color, gpu::Stream stream);

}  // namespace gan::cuda
