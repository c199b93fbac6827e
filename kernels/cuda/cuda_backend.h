// Every operation on the GPU, by the kernels of this folder.
//
// Pictures are float32 or bfloat16; weights, statistics, gradients of parameters, losses and the
// optimiser's state float32. Sums are float32 in a fixed order: the same call gives the same bits
// as long as the same variant of it is taken (conv.h).
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cuda/conv.h"
#include "kernels/cuda/scratch.h"
#include "kernels/cuda/weights.h"

struct CUstream_st;

namespace gan {

// How products of float32 numbers are formed in convolutions; bfloat16 always takes tensor cores.
enum class CudaPrecision : uint8_t { fp32, tf32 };

class CudaBackend final : public Backend {
 public:
  // `memory` and all tensors belong to the device that `stream` is on (null: the default stream). `dataflow`:
  // the memory's, where its work is recorded in the order of its data.
  explicit CudaBackend(Memory& memory, CUstream_st* stream = nullptr,
                       CudaPrecision precision = CudaPrecision::fp32,
                       cuda::Dataflow* dataflow = nullptr);

  std::string_view name() const override { return "cuda"; }
  std::string description() const override;
  bool supports(const Call& call) const override;
  WorkingMemory working_memory(const Call& call) const override;
  std::vector<std::string> variants(const Call& call) const override;
  void take_variant(const Call& call, size_t index) override;

  void conv_forward(const ConvGeometry& geometry, const Tensor& x, const Weights& w,
                    const Epilogue& epilogue, const Tensor& y) override;
  void conv_backward_data(const ConvGeometry& geometry, const Tensor& dy, const Weights& w,
                          const Tensor& dx, Write write) override;
  void conv_backward_weights(const ConvGeometry& geometry, const Tensor& x, const Tensor& dy,
                             const Tensor& dw, Write write) override;
  void conv_transpose_forward(const ConvGeometry& geometry, const Tensor& x, const Weights& w,
                              const Epilogue& epilogue, const Tensor& y) override;
  void conv_transpose_backward_data(const ConvGeometry& geometry, const Tensor& dy,
                                    const Weights& w, const Tensor& dx, Write write) override;
  void conv_transpose_backward_weights(const ConvGeometry& geometry, const Tensor& x,
                                       const Tensor& dy, const Tensor& dw, Write write) override;

  void batch_norm_train(const Tensor& x, const BatchNorm& norm, Activation act,
                        const Dropout& dropout, const BatchNormSaved& saved,
                        const Tensor& y) override;
  void batch_norm_infer(const Tensor& x, const BatchNorm& norm, Activation act,
                        const Tensor& y) override;
  void batch_norm_backward(const Tensor& x, const Tensor& dy, const BatchNorm& norm, Activation act,
                           const Dropout& dropout, const BatchNormSaved& saved, const Tensor& dx,
                           const Tensor& dgamma, const Tensor& dbeta, Write write) override;
  void batch_norm_fold(const Tensor& w, const BatchNorm& norm, bool transposed,
                       const Tensor& folded_w, const Tensor& folded_bias) override;

  void activation_forward(Activation act, const Tensor& x, const Tensor& y) override;
  void activation_backward(Activation act, const Tensor& y, const Tensor& dy, const Tensor& dx,
                           Write write) override;

  void avg_pool_forward(const Tensor& x, const Tensor& y) override;
  void avg_pool_backward(Activation act, const Tensor& x, const Tensor& dy, const Tensor& dx,
                         Write write) override;
  void max_pool_forward(const Tensor& x, const Tensor& y) override;
  void max_pool_backward(const Tensor& x, const Tensor& dy, const Tensor& dx, Write write) override;

  void upsample_forward(const Tensor& x, const Tensor& y) override;
  void upsample_backward(const Tensor& dy, const Tensor& dx, Write write) override;

  void augment_forward(const Tensor& x, const Warp* warps, const Tensor& y) override;
  void augment_backward(const Tensor& dy, const Warp* warps, const Tensor& dx,
                        Write write) override;

  void linear_forward(const Tensor& x, const Weights& w, const Tensor& bias,
                      const Tensor& y) override;
  void linear_backward_data(const Tensor& dy, const Weights& w, const Tensor& dx,
                            Write write) override;
  void linear_backward_weights(const Tensor& x, const Tensor& dy, const Tensor& dw,
                               Write write) override;

  void bce_with_logits(const Tensor& x, float target, float weight, const Tensor& loss,
                       const Tensor& dx, Write write) override;
  void l1_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
               const Tensor& dx, Write write) override;
  void mse_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
                const Tensor& dx, Write write) override;
  void relativistic_loss(const Tensor& higher, const Tensor& lower, float weight,
                         const Tensor& loss, const Tensor& d_higher, const Tensor& d_lower,
                         Write write) override;
  void chroma_loss(const Tensor& x, const Tensor& target, const Tensor& weights, float beta,
                   float weight, const Tensor& loss, const Tensor& dx, Write write) override;
  void moment_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
                   const Tensor& dx, Write write) override;

  void begin_update(const Tensor& numbers, const UpdateControl* after,
                    UpdateControl* control) override;
  void balance(const Tensor& squares, const UpdateControl* after, GradientBalance* balance,
               const Tensor& result) override;
  void adam(const AdamSettings& settings, const UpdateControl* control, const Tensor& parameters,
            const Tensor& gradients, const Tensor& first_moment,
            const Tensor& second_moment) override;

  void fill(const Tensor& x, float value) override;
  void fill_uniform(const RandomKey& key, const Tensor& x) override;
  void copy(const Tensor& x, const Tensor& y) override;
  void add(const Tensor& x, const Tensor& y) override;
  void axpby(float a, const Tensor& x, float b, const Tensor& y) override;
  void mix(const Tensor& factors, const Tensor& x, const Tensor& y) override;
  void channel_sum(const Tensor& x, const Tensor& sums, Write write) override;

  void assemble_batch(const Tensor& photos, const PhotoPick* picks, ColorSpace space,
                      const Tensor& gray, const Tensor& color) override;

 private:
  void* scratch(size_t bytes) { return scratch_.get(bytes).memory; }
  cuda::ConvChoice choice_for(const Call& call) const;
  // The weights as the call wants them; packs them unless that has been done for this version.
  const void* packed(const Call& call, const Weights& w);

  CUstream_st* stream_;
  CudaPrecision precision_;
  cuda::ScratchMemory scratch_;
  cuda::PackedWeights packed_;
  std::unordered_map<Call, cuda::ConvChoice, CallHash> taken_;  // where it is not the automatic one
};

std::unique_ptr<Backend> make_cuda_backend(Memory& memory, CUstream_st* stream = nullptr,
                                           CudaPrecision precision = CudaPrecision::fp32,
                                           cuda::Dataflow* dataflow = nullptr);

}  // namespace gan
