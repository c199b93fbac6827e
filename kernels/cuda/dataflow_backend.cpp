#include "kernels/cuda/dataflow_backend.h"

#include <string>
#include <utility>
#include <vector>

namespace gan {
namespace {

using cuda::Region;

template <class T>
Region region_of(const T* one) {
  return {one, sizeof(T)};
}
Region region_of(const Warp* warps, const Tensor& pictures) {
  return {warps, static_cast<size_t>(pictures.shape().n) * sizeof(Warp)};
}

class DataflowBackend final : public Backend {
 public:
  DataflowBackend(std::unique_ptr<Backend> inner, cuda::Dataflow& flow)
      : inner_(std::move(inner)), flow_(flow) {}

  std::string_view name() const override { return inner_->name(); }
  std::string description() const override { return inner_->description(); }
  bool supports(const Call& call) const override { return inner_->supports(call); }
  WorkingMemory working_memory(const Call& call) const override {
    return inner_->working_memory(call);
  }
  bool wants_dense() const override { return inner_->wants_dense(); }
  std::vector<std::string> variants(const Call& call) const override {
    return inner_->variants(call);
  }
  void take_variant(const Call& call, size_t index) override { inner_->take_variant(call, index); }

  void conv_forward(const ConvGeometry& g, const Tensor& x, const Weights& w,
                    const Epilogue& epilogue, const Tensor& y) override {
    flow_.operation({x, w.values, epilogue.bias}, {y},
                    [&] { inner_->conv_forward(g, x, w, epilogue, y); });
  }
  void conv_backward_data(const ConvGeometry& g, const Tensor& dy, const Weights& w,
                          const Tensor& dx, Write write) override {
    flow_.operation({dy, w.values}, {dx}, [&] { inner_->conv_backward_data(g, dy, w, dx, write); });
  }
  void conv_backward_weights(const ConvGeometry& g, const Tensor& x, const Tensor& dy,
                             const Tensor& dw, Write write) override {
    flow_.operation({x, dy}, {dw}, [&] { inner_->conv_backward_weights(g, x, dy, dw, write); });
  }
  void conv_transpose_forward(const ConvGeometry& g, const Tensor& x, const Weights& w,
                              const Epilogue& epilogue, const Tensor& y) override {
    flow_.operation({x, w.values, epilogue.bias}, {y},
                    [&] { inner_->conv_transpose_forward(g, x, w, epilogue, y); });
  }
  void conv_transpose_backward_data(const ConvGeometry& g, const Tensor& dy, const Weights& w,
                                    const Tensor& dx, Write write) override {
    flow_.operation({dy, w.values}, {dx},
                    [&] { inner_->conv_transpose_backward_data(g, dy, w, dx, write); });
  }
  void conv_transpose_backward_weights(const ConvGeometry& g, const Tensor& x, const Tensor& dy,
                                       const Tensor& dw, Write write) override {
    flow_.operation({x, dy}, {dw},
                    [&] { inner_->conv_transpose_backward_weights(g, x, dy, dw, write); });
  }

  void batch_norm_train(const Tensor& x, const BatchNorm& norm, Activation act,
                        const Dropout& dropout, const BatchNormSaved& saved,
                        const Tensor& y) override {
    flow_.operation({x, norm.gamma, norm.beta, region_of(dropout.key.step)},
                    {y, saved.mean, saved.inv_std, norm.running_mean, norm.running_var,
                     cuda::Dataflow::whole_device()},
                    [&] { inner_->batch_norm_train(x, norm, act, dropout, saved, y); });
  }
  void batch_norm_infer(const Tensor& x, const BatchNorm& norm, Activation act,
                        const Tensor& y) override {
    flow_.operation({x, norm.gamma, norm.beta, norm.running_mean, norm.running_var}, {y},
                    [&] { inner_->batch_norm_infer(x, norm, act, y); });
  }
  void batch_norm_backward(const Tensor& x, const Tensor& dy, const BatchNorm& norm, Activation act,
                           const Dropout& dropout, const BatchNormSaved& saved, const Tensor& dx,
                           const Tensor& dgamma, const Tensor& dbeta, Write write) override {
    flow_.operation(
        {x, dy, norm.gamma, norm.beta, saved.mean, saved.inv_std, region_of(dropout.key.step)},
        {dx, dgamma, dbeta, cuda::Dataflow::whole_device()}, [&] {
          inner_->batch_norm_backward(x, dy, norm, act, dropout, saved, dx, dgamma, dbeta, write);
        });
  }
  void batch_norm_fold(const Tensor& w, const BatchNorm& norm, bool transposed,
                       const Tensor& folded_w, const Tensor& folded_bias) override {
    flow_.operation({w, norm.gamma, norm.beta, norm.running_mean, norm.running_var},
                    {folded_w, folded_bias},
                    [&] { inner_->batch_norm_fold(w, norm, transposed, folded_w, folded_bias); });
  }

  void activation_forward(Activation act, const Tensor& x, const Tensor& y) override {
    flow_.operation({x}, {y}, [&] { inner_->activation_forward(act, x, y); });
  }
  void activation_backward(Activation act, const Tensor& y, const Tensor& dy, const Tensor& dx,
                           Write write) override {
    flow_.operation({y, dy}, {dx}, [&] { inner_->activation_backward(act, y, dy, dx, write); });
  }

  void avg_pool_forward(const Tensor& x, const Tensor& y) override {
    flow_.operation({x}, {y}, [&] { inner_->avg_pool_forward(x, y); });
  }
  void avg_pool_backward(Activation act, const Tensor& x, const Tensor& dy, const Tensor& dx,
                         Write write) override {
    flow_.operation({x, dy}, {dx}, [&] { inner_->avg_pool_backward(act, x, dy, dx, write); });
  }
  void max_pool_forward(const Tensor& x, const Tensor& y) override {
    flow_.operation({x}, {y}, [&] { inner_->max_pool_forward(x, y); });
  }
  void max_pool_backward(const Tensor& x, const Tensor& dy, const Tensor& dx,
                         Write write) override {
    flow_.operation({x, dy}, {dx}, [&] { inner_->max_pool_backward(x, dy, dx, write); });
  }

  void upsample_forward(const Tensor& x, const Tensor& y) override {
    flow_.operation({x}, {y}, [&] { inner_->upsample_forward(x, y); });
  }
  void upsample_backward(const Tensor& dy, const Tensor& dx, Write write) override {
    flow_.operation({dy}, {dx}, [&] { inner_->upsample_backward(dy, dx, write); });
  }

  void augment_forward(const Tensor& x, const Warp* warps, const Tensor& y) override {
    flow_.operation({x, region_of(warps, x)}, {y}, [&] { inner_->augment_forward(x, warps, y); });
  }
  void augment_backward(const Tensor& dy, const Warp* warps, const Tensor& dx,
                        Write write) override {
    flow_.operation({dy, region_of(warps, dy)}, {dx},
                    [&] { inner_->augment_backward(dy, warps, dx, write); });
  }

  void linear_forward(const Tensor& x, const Weights& w, const Tensor& bias,
                      const Tensor& y) override {
    flow_.operation({x, w.values, bias}, {y}, [&] { inner_->linear_forward(x, w, bias, y); });
  }
  void linear_backward_data(const Tensor& dy, const Weights& w, const Tensor& dx,
                            Write write) override {
    flow_.operation({dy, w.values}, {dx}, [&] { inner_->linear_backward_data(dy, w, dx, write); });
  }
  void linear_backward_weights(const Tensor& x, const Tensor& dy, const Tensor& dw,
                               Write write) override {
    flow_.operation({x, dy}, {dw}, [&] { inner_->linear_backward_weights(x, dy, dw, write); });
  }

  void bce_with_logits(const Tensor& x, float target, float weight, const Tensor& loss,
                       const Tensor& dx, Write write) override {
    flow_.operation({x}, {loss, dx},
                    [&] { inner_->bce_with_logits(x, target, weight, loss, dx, write); });
  }
  void l1_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
               const Tensor& dx, Write write) override {
    flow_.operation({x, target}, {loss, dx},
                    [&] { inner_->l1_loss(x, target, weight, loss, dx, write); });
  }
  void mse_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
                const Tensor& dx, Write write) override {
    flow_.operation({x, target}, {loss, dx},
                    [&] { inner_->mse_loss(x, target, weight, loss, dx, write); });
  }
  void relativistic_loss(const Tensor& higher, const Tensor& lower, float weight,
                         const Tensor& loss, const Tensor& d_higher, const Tensor& d_lower,
                         Write write) override {
    flow_.operation({higher, lower}, {loss, d_higher, d_lower}, [&] {
      inner_->relativistic_loss(higher, lower, weight, loss, d_higher, d_lower, write);
    });
  }
  void chroma_loss(const Tensor& x, const Tensor& target, const Tensor& weights, float beta,
                   float weight, const Tensor& loss, const Tensor& dx, Write write) override {
    flow_.operation({x, target, weights}, {loss, dx}, [&] {
      inner_->chroma_loss(x, target, weights, beta, weight, loss, dx, write);
    });
  }
  void moment_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
                   const Tensor& dx, Write write) override {
    flow_.operation({x, target}, {loss, dx},
                    [&] { inner_->moment_loss(x, target, weight, loss, dx, write); });
  }

  void begin_update(const Tensor& numbers, const UpdateControl* after,
                    UpdateControl* control) override {
    flow_.operation({numbers, region_of(after)}, {region_of(control)},
                    [&] { inner_->begin_update(numbers, after, control); });
  }
  void balance(const Tensor& squares, const UpdateControl* after, GradientBalance* balance,
               const Tensor& result) override {
    flow_.operation({squares, region_of(after)}, {region_of(balance), result},
                    [&] { inner_->balance(squares, after, balance, result); });
  }
  void adam(const AdamSettings& settings, const UpdateControl* control, const Tensor& parameters,
            const Tensor& gradients, const Tensor& first_moment,
            const Tensor& second_moment) override {
    flow_.operation(
        {region_of(control), gradients}, {parameters, first_moment, second_moment}, [&] {
          inner_->adam(settings, control, parameters, gradients, first_moment, second_moment);
        });
  }

  void fill(const Tensor& x, float value) override {
    flow_.operation({}, {x}, [&] { inner_->fill(x, value); });
  }
  void fill_uniform(const RandomKey& key, const Tensor& x) override {
    flow_.operation({region_of(key.step)}, {x}, [&] { inner_->fill_uniform(key, x); });
  }
  void copy(const Tensor& x, const Tensor& y) override {
    flow_.operation({x}, {y}, [&] { inner_->copy(x, y); });
  }
  void add(const Tensor& x, const Tensor& y) override {
    flow_.operation({x}, {y}, [&] { inner_->add(x, y); });
  }
  void axpby(float a, const Tensor& x, float b, const Tensor& y) override {
    flow_.operation({x}, {y}, [&] { inner_->axpby(a, x, b, y); });
  }
  void mix(const Tensor& factors, const Tensor& x, const Tensor& y) override {
    flow_.operation({factors, x}, {y}, [&] { inner_->mix(factors, x, y); });
  }
  void channel_sum(const Tensor& x, const Tensor& sums, Write write) override {
    flow_.operation({x}, {sums}, [&] { inner_->channel_sum(x, sums, write); });
  }

  void assemble_batch(const Tensor& photos, const PhotoPick* picks, ColorSpace space,
                      const Tensor& gray, const Tensor& color) override {
    const Region picked = {picks, static_cast<size_t>(gray.shape().n) * sizeof(PhotoPick)};
    flow_.operation({photos, picked}, {gray, color},
                    [&] { inner_->assemble_batch(photos, picks, space, gray, color); });
  }

 private:
  std::unique_ptr<Backend> inner_;
  cuda::Dataflow& flow_;
};

}  // namespace

std::unique_ptr<Backend> in_order_of_data(std::unique_ptr<Backend> backend,
                                          cuda::Dataflow& dataflow) {
  return std::make_unique<DataflowBackend>(std::move(backend), dataflow);
}

}  // namespace gan
