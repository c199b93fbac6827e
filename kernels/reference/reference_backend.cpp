#include "kernels/reference/reference_backend.h"

#include "kernels/reference/activation.h"
#include "kernels/reference/adam.h"
#include "kernels/reference/augment.h"
#include "kernels/reference/batch.h"
#include "kernels/reference/batch_norm.h"
#include "kernels/reference/chroma_loss.h"
#include "kernels/reference/control.h"
#include "kernels/reference/conv.h"
#include "kernels/reference/linear.h"
#include "kernels/reference/loss.h"
#include "kernels/reference/memory.h"
#include "kernels/reference/pool.h"
#include "kernels/reference/uniform.h"
#include "kernels/reference/upsample.h"

namespace gan {
namespace {

// Picks the element type; the work is in the files of this folder.
class ReferenceBackend final : public Backend {
 public:
  std::string_view name() const override { return "reference"; }
  std::string description() const override { return "reference"; }

  bool supports(const Call& call) const override {
    if (call.op == Op::batch && call.dtype == DType::bf16) return true;
    return call.dtype == DType::f32 || call.dtype == DType::f64;
  }

  void conv_forward(const ConvGeometry& geometry, const Tensor& x, const Weights& w,
                    const Epilogue& epilogue, const Tensor& y) override {
    with_real_type(x.dtype(), [&]<class T>(T) {
      reference::convolve<T>(geometry, x, w.values, epilogue, y, Write::overwrite);
    });
  }
  void conv_backward_data(const ConvGeometry& geometry, const Tensor& dy, const Weights& w,
                          const Tensor& dx, Write write) override {
    with_real_type(dy.dtype(), [&]<class T>(T) {
      reference::convolve_data_gradient<T>(geometry, dy, w.values, {}, dx, write);
    });
  }
  void conv_backward_weights(const ConvGeometry& geometry, const Tensor& x, const Tensor& dy,
                             const Tensor& dw, Write write) override {
    with_real_type(x.dtype(), [&]<class T>(T) {
      reference::convolve_weight_gradient<T>(geometry, x, dy, dw, write);
    });
  }

  void conv_transpose_forward(const ConvGeometry& geometry, const Tensor& x, const Weights& w,
                              const Epilogue& epilogue, const Tensor& y) override {
    with_real_type(x.dtype(), [&]<class T>(T) {
      reference::convolve_data_gradient<T>(geometry, x, w.values, epilogue, y, Write::overwrite);
    });
  }
  void conv_transpose_backward_data(const ConvGeometry& geometry, const Tensor& dy,
                                    const Weights& w, const Tensor& dx, Write write) override {
    with_real_type(dy.dtype(), [&]<class T>(T) {
      reference::convolve<T>(geometry, dy, w.values, {}, dx, write);
    });
  }
  void conv_transpose_backward_weights(const ConvGeometry& geometry, const Tensor& x,
                                       const Tensor& dy, const Tensor& dw, Write write) override {
    with_real_type(x.dtype(), [&]<class T>(T) {
      reference::convolve_weight_gradient<T>(geometry, dy, x, dw, write);
    });
  }

  void batch_norm_train(const Tensor& x, const BatchNorm& norm, Activation act,
                        const Dropout& dropout, const BatchNormSaved& saved,
                        const Tensor& y) override {
    for_kinds(
        x, saved, dropout,
        [&](int64_t first, int64_t count, const BatchNormSaved& of_kind, const Dropout& drop) {
          with_real_type(x.dtype(), [&]<class T>(T) {
            reference::batch_norm_train<T>(x.pictures(first, count), norm, act, drop, of_kind,
                                           y.pictures(first, count));
          });
        });
  }
  void batch_norm_infer(const Tensor& x, const BatchNorm& norm, Activation act,
                        const Tensor& y) override {
    with_real_type(x.dtype(), [&]<class T>(T) { reference::batch_norm_infer<T>(x, norm, act, y); });
  }
  void batch_norm_backward(const Tensor& x, const Tensor& dy, const BatchNorm& norm, Activation act,
                           const Dropout& dropout, const BatchNormSaved& saved, const Tensor& dx,
                           const Tensor& dgamma, const Tensor& dbeta, Write write) override {
    for_kinds(
        x, saved, dropout,
        [&](int64_t first, int64_t count, const BatchNormSaved& of_kind, const Dropout& drop) {
          with_real_type(x.dtype(), [&]<class T>(T) {
            reference::batch_norm_backward<T>(x.pictures(first, count), dy.pictures(first, count),
                                              norm, act, drop, of_kind, dx.pictures(first, count),
                                              dgamma, dbeta, first > 0 ? Write::accumulate : write);
          });
        });
  }
  void batch_norm_fold(const Tensor& w, const BatchNorm& norm, bool transposed,
                       const Tensor& folded_w, const Tensor& folded_bias) override {
    with_real_type(w.dtype(), [&]<class T>(T) {
      reference::batch_norm_fold<T>(w, norm, transposed, folded_w, folded_bias);
    });
  }

  void activation_forward(Activation act, const Tensor& x, const Tensor& y) override {
    with_real_type(x.dtype(), [&]<class T>(T) { reference::activation_forward<T>(act, x, y); });
  }
  void activation_backward(Activation act, const Tensor& y, const Tensor& dy, const Tensor& dx,
                           Write write) override {
    with_real_type(y.dtype(),
                   [&]<class T>(T) { reference::activation_backward<T>(act, y, dy, dx, write); });
  }

  void avg_pool_forward(const Tensor& x, const Tensor& y) override {
    with_real_type(x.dtype(), [&]<class T>(T) { reference::avg_pool_forward<T>(x, y); });
  }
  void avg_pool_backward(Activation act, const Tensor& x, const Tensor& dy, const Tensor& dx,
                         Write write) override {
    with_real_type(dy.dtype(),
                   [&]<class T>(T) { reference::avg_pool_backward<T>(act, x, dy, dx, write); });
  }
  void max_pool_forward(const Tensor& x, const Tensor& y) override {
    with_real_type(x.dtype(), [&]<class T>(T) { reference::max_pool_forward<T>(x, y); });
  }
  void max_pool_backward(const Tensor& x, const Tensor& dy, const Tensor& dx,
                         Write write) override {
    with_real_type(x.dtype(),
                   [&]<class T>(T) { reference::max_pool_backward<T>(x, dy, dx, write); });
  }

  void upsample_forward(const Tensor& x, const Tensor& y) override {
    with_real_type(x.dtype(), [&]<class T>(T) { reference::upsample_forward<T>(x, y); });
  }
  void upsample_backward(const Tensor& dy, const Tensor& dx, Write write) override {
    with_real_type(dy.dtype(), [&]<class T>(T) { reference::upsample_backward<T>(dy, dx, write); });
  }

  void augment_forward(const Tensor& x, const Warp* warps, const Tensor& y) override {
    with_real_type(x.dtype(), [&]<class T>(T) { reference::augment_forward<T>(x, warps, y); });
  }
  void augment_backward(const Tensor& dy, const Warp* warps, const Tensor& dx,
                        Write write) override {
    with_real_type(dy.dtype(),
                   [&]<class T>(T) { reference::augment_backward<T>(dy, warps, dx, write); });
  }

  void fill_uniform(const RandomKey& key, const Tensor& x) override {
    with_real_type(x.dtype(), [&]<class T>(T) { reference::fill_uniform<T>(key, x); });
  }

  void linear_forward(const Tensor& x, const Weights& w, const Tensor& bias,
                      const Tensor& y) override {
    with_real_type(x.dtype(),
                   [&]<class T>(T) { reference::linear_forward<T>(x, w.values, bias, y); });
  }
  void linear_backward_data(const Tensor& dy, const Weights& w, const Tensor& dx,
                            Write write) override {
    with_real_type(dy.dtype(), [&]<class T>(T) {
      reference::linear_backward_data<T>(dy, w.values, dx, write);
    });
  }
  void linear_backward_weights(const Tensor& x, const Tensor& dy, const Tensor& dw,
                               Write write) override {
    with_real_type(x.dtype(),
                   [&]<class T>(T) { reference::linear_backward_weights<T>(x, dy, dw, write); });
  }

  void bce_with_logits(const Tensor& x, float target, float weight, const Tensor& loss,
                       const Tensor& dx, Write write) override {
    with_real_type(x.dtype(), [&]<class T>(T) {
      reference::bce_with_logits<T>(x, target, weight, loss, dx, write);
    });
  }
  void l1_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
               const Tensor& dx, Write write) override {
    with_real_type(x.dtype(),
                   [&]<class T>(T) { reference::l1_loss<T>(x, target, weight, loss, dx, write); });
  }
  void mse_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
                const Tensor& dx, Write write) override {
    with_real_type(x.dtype(),
                   [&]<class T>(T) { reference::mse_loss<T>(x, target, weight, loss, dx, write); });
  }

  void relativistic_loss(const Tensor& higher, const Tensor& lower, float weight,
                         const Tensor& loss, const Tensor& d_higher, const Tensor& d_lower,
                         Write write) override {
    with_real_type(higher.dtype(), [&]<class T>(T) {
      reference::relativistic_loss<T>(higher, lower, weight, loss, d_higher, d_lower, write);
    });
  }
  void chroma_loss(const Tensor& x, const Tensor& target, const Tensor& weights, float beta,
                   float weight, const Tensor& loss, const Tensor& dx, Write write) override {
    with_real_type(x.dtype(), [&]<class T>(T) {
      reference::chroma_loss<T>(x, target, weights, beta, weight, loss, dx, write);
    });
  }
  void moment_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
                   const Tensor& dx, Write write) override {
    with_real_type(x.dtype(), [&]<class T>(T) {
      reference::moment_loss<T>(x, target, weight, loss, dx, write);
    });
  }

  void begin_update(const Tensor& numbers, const UpdateControl* after,
                    UpdateControl* control) override {
    with_real_type(numbers.dtype(),
                   [&]<class T>(T) { reference::begin_update<T>(numbers, after, *control); });
  }
  void balance(const Tensor& squares, const UpdateControl* after, GradientBalance* balance,
               const Tensor& result) override {
    with_real_type(squares.dtype(),
                   [&]<class T>(T) { reference::balance<T>(squares, after, *balance, result); });
  }

  void adam(const AdamSettings& settings, const UpdateControl* control, const Tensor& parameters,
            const Tensor& gradients, const Tensor& first_moment,
            const Tensor& second_moment) override {
    with_real_type(parameters.dtype(), [&]<class T>(T) {
      reference::adam<T>(settings, control, parameters, gradients, first_moment, second_moment);
    });
  }

  void fill(const Tensor& x, float value) override {
    with_real_type(x.dtype(), [&]<class T>(T) { reference::fill<T>(x, value); });
  }
  void copy(const Tensor& x, const Tensor& y) override {
    with_real_type(x.dtype(), [&]<class T>(T) { reference::copy<T>(x, y); });
  }
  void add(const Tensor& x, const Tensor& y) override {
    with_real_type(x.dtype(), [&]<class T>(T) { reference::add<T>(x, y); });
  }
  void axpby(float a, const Tensor& x, float b, const Tensor& y) override {
    with_real_type(x.dtype(), [&]<class T>(T) { reference::axpby<T>(a, x, b, y); });
  }
  void channel_sum(const Tensor& x, const Tensor& sums, Write write) override {
    with_real_type(x.dtype(), [&]<class T>(T) { reference::channel_sum<T>(x, sums, write); });
  }

  void assemble_batch(const Tensor& photos, const PhotoPick* picks, ColorSpace space,
                      const Tensor& gray, const Tensor& color) override {
    if (color.dtype() == DType::bf16) {
      reference::assemble_batch<bf16>(photos, picks, space, gray, color);
      return;
    }
    with_real_type(color.dtype(), [&]<class T>(T) {
      reference::assemble_batch<T>(photos, picks, space, gray, color);
    });
  }
};

}  // namespace

std::unique_ptr<Backend> make_reference_backend() {
  return std::make_unique<ReferenceBackend>();
}

}  // namespace gan
