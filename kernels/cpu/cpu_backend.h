// All operations on the CPU, in float32, for whatever instruction set there is.
//
// Every memory-bound operation reads and writes each number as few times as it can, takes channel slices, and
// gives the same bytes whatever the number of threads. One file per family of operations; its banner
// tells the bytes moved per element, which is what its time is made of.
#pragma once

#include <memory>

#include "kernels/backend.h"
#include "kernels/cpu/conv.h"
#include "kernels/cpu/weight_packs.h"

namespace gan {

// What convolutions multiply: float32, or factors rounded to bfloat16 with sums in float32 (of minimal
// filtering the transformed numbers; of a convolution whose input is a photo none). Everything is stored in
// float32 either way.
enum class CpuProducts : uint8_t { f32, bf16 };

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(CpuProducts products = CpuProducts::f32) : products_(products) {}

  std::string_view name() const override { return "cpu"; }
  std::string description() const override;
  bool supports(const Call& call) const override;

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

  void adam(const AdamSettings& settings, const UpdateControl* control, const Tensor& parameters,
            const Tensor& gradients, const Tensor& first_moment,
            const Tensor& second_moment) override;

  void fill(const Tensor& x, float value) override;
  void fill_uniform(const RandomKey& key, const Tensor& x) override;
  void copy(const Tensor& x, const Tensor& y) override;
  void add(const Tensor& x, const Tensor& y) override;
  void axpby(float a, const Tensor& x, float b, const Tensor& y) override;
  void channel_sum(const Tensor& x, const Tensor& sums, Write write) override;

  void assemble_batch(const Tensor& photos, const PhotoPick* picks, ColorSpace space,
                      const Tensor& gray, const Tensor& color) override;

  // What tests ask: how often weights were brought into a convolution's layout, and how many such
  // packs are kept.
  int64_t packings() const { return packs_.packings(); }
  int64_t packs_kept() const { return packs_.kept(); }

 private:
  // Working memory for `count` floats, valid until the next call; kept between operations.
  float* scratch(int64_t count);

  void convolve(cpu::ConvDirection direction, const cpu::ConvShape& shape, cpu::TileSizes sizes,
                const Tensor& from, const Weights& w, const Epilogue& epilogue, const Tensor& to,
                Write write);
  void weights_gradient(const cpu::ConvShape& shape, const Tensor& picture, const Tensor& maps,
                        const Tensor& dw, Write write);

  CpuProducts products_;
  Buffer scratch_;
  cpu::WeightPacks packs_;
};

std::unique_ptr<Backend> make_cpu_backend(CpuProducts products = CpuProducts::f32);
// Whether this processor is faster with bf16 products than with float32 ones.
bool bf16_products_are_fast();

}  // namespace gan
