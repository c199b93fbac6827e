// Batch norm and the activation after it (none, relu or leaky_relu): whole passes as the Backend
// asks for them, and the parts from which a fused convolution builds its own.
#pragma once

#include <cstddef>

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace gan::cuda {

// Scratch memory of batch_norm_train and batch_norm_backward over x of this shape.
size_t batch_norm_scratch_bytes(const Shape& x);

// The functions of Backend. x, y, dy, dx are float32 or bfloat16, everything else float32.
void batch_norm_train(const Tensor& x, const BatchNorm& norm, Activation act,
                      const BatchNormSaved& saved, const Tensor& y, void* scratch,
                      gpu::Stream stream);
void batch_norm_infer(const Tensor& x, const BatchNorm& norm, Activation act, const Tensor& y,
                      gpu::Stream stream);
void batch_norm_backward(const Tensor& x, const Tensor& dy, const BatchNorm& norm, Activation act,
                         const BatchNormSaved& saved, const Tensor& dx, const Tensor& dgamma,
                         const Tensor& dbeta, Write write, void* scratch, gpu::Stream stream);
void batch_norm_fold(const Tensor& w, const BatchNorm& norm, bool transposed,
                     const Tensor& folded_w, const Tensor& folded_bias, gpu::Stream stream);

// ---- Parts

// z = scale * x + shift, what batch norm does to its input; float32 vectors.
struct BatchNormAffine {
  Tensor scale, shift;
};
// From the mean and the biased variance that a convolution's epilogue left: 1/sqrt(variance + eps),
// running statistics, and the affine map for the next convolution's prologue (or empty).
// saved.mean may be `mean` itself. `pixels` is how many values each statistic is made of.
void batch_norm_finish(const Tensor& mean, const Tensor& variance, int64_t pixels,
                       const BatchNorm& norm, const BatchNormSaved& saved,
                       const BatchNormAffine& affine, gpu::Stream stream);
// y = act(batch norm of x) with statistics that are there.
void batch_norm_apply(const Tensor& x, const BatchNorm& norm, Activation act,
                      const BatchNormSaved& saved, const Tensor& y, gpu::Stream stream);
// dx from dy and the sums over all pixels of dz = dy * act' and of dz * xhat, which a convolution's
// epilogue left; dx may be x or dy. With act none, dy is dz.
void batch_norm_backward_apply(const Tensor& x, const Tensor& dy, const BatchNorm& norm,
                               Activation act, const BatchNormSaved& saved, const Tensor& sum_dz,
                               const Tensor& sum_dz_xhat, const Tensor& dx, gpu::Stream stream);

}  // namespace gan::cuda
