#include "kernels/reference/loss.h"

#include <algorithm>
#include <cmath>

#include "kernels/reference/view.h"

namespace gan::reference {
namespace {

// The term of one element and its slope.
struct Term {
  double value, slope;
};

// loss = mean of term(pixel, c).value over all elements of `shape`; dx = weight/m * slope.
template <class T, class TermAt>
void mean_loss(const Shape& shape, float weight, const Tensor& loss, const Tensor& dx, Write write,
               TermAt&& term) {
  check_shape("loss", "loss", loss, vector_shape(1));
  if (dx) check_shape("loss", "dx", dx, shape);
  const auto count = static_cast<double>(shape.elements());
  double sum = 0;
  for (int64_t pixel = 0; pixel < shape.pixels(); ++pixel) {
    for (int64_t c = 0; c < shape.c; ++c) {
      const Term t = term(pixel, c);
      sum += t.value;
      if (dx) store(View<T>(dx)(pixel, c), weight / count * t.slope, write);
    }
  }
  store(*loss.as<T>(), sum / count, Write::overwrite);
}

}  // namespace

template <class T>
void bce_with_logits(const Tensor& x, float target, float weight, const Tensor& loss,
                     const Tensor& dx, Write write) {
  const View<T> in(x);
  mean_loss<T>(x.shape(), weight, loss, dx, write, [&](int64_t pixel, int64_t c) {
    const double logit = in(pixel, c);
    return Term{std::max(logit, 0.0) - logit * target + std::log1p(std::exp(-std::abs(logit))),
                1 / (1 + std::exp(-logit)) - target};
  });
}

template <class T>
void l1_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
             const Tensor& dx, Write write) {
  check_shape("L1 loss", "target", target, x.shape());
  const View<T> in(x), wanted(target);
  mean_loss<T>(x.shape(), weight, loss, dx, write, [&](int64_t pixel, int64_t c) {
    const double distance = static_cast<double>(in(pixel, c)) - wanted(pixel, c);
    return Term{std::abs(distance), distance > 0 ? 1.0 : distance < 0 ? -1.0 : 0.0};
  });
}

template <class T>
void mse_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
              const Tensor& dx, Write write) {
  check_shape("MSE loss", "target", target, x.shape());
  const View<T> in(x), wanted(target);
  mean_loss<T>(x.shape(), weight, loss, dx, write, [&](int64_t pixel, int64_t c) {
    const double distance = static_cast<double>(in(pixel, c)) - wanted(pixel, c);
    return Term{distance * distance, 2 * distance};
  });
}

template <class T>
void relativistic_loss(const Tensor& higher, const Tensor& lower, float weight, const Tensor& loss,
                       const Tensor& d_higher, const Tensor& d_lower, Write write) {
  check_shape("relativistic loss", "loss", loss, vector_shape(1));
  check_shape("relativistic loss", "lower", lower, higher.shape());
  for (const Tensor& gradient : {d_higher, d_lower}) {
    if (gradient) check_shape("relativistic loss", "gradient", gradient, higher.shape());
  }
  const View<T> up(higher), down(lower);
  const auto count = static_cast<double>(higher.shape().elements());
  double sum = 0;
  for (int64_t pixel = 0; pixel < higher.shape().pixels(); ++pixel) {
    for (int64_t c = 0; c < higher.shape().c; ++c) {
      const double lead = static_cast<double>(up(pixel, c)) - down(pixel, c);
      sum += std::max(-lead, 0.0) + std::log1p(std::exp(-std::abs(lead)));
      const double slope = weight / count / (1 + std::exp(lead));
      if (d_higher) store(View<T>(d_higher)(pixel, c), -slope, write);
      if (d_lower) store(View<T>(d_lower)(pixel, c), slope, write);
    }
  }
  store(*loss.as<T>(), sum / count, Write::overwrite);
}

#define GAN_INSTANTIATE(T)                                                                     \
  template void bce_with_logits<T>(const Tensor&, float, float, const Tensor&, const Tensor&,  \
                                   Write);                                                     \
  template void l1_loss<T>(const Tensor&, const Tensor&, float, const Tensor&, const Tensor&,  \
                           Write);                                                             \
  template void relativistic_loss<T>(const Tensor&, const Tensor&, float, const Tensor&,       \
                                     const Tensor&, const Tensor&, Write);                     \
  template void mse_loss<T>(const Tensor&, const Tensor&, float, const Tensor&, const Tensor&, \
                            Write);
GAN_INSTANTIATE(float)
GAN_INSTANTIATE(double)
#undef GAN_INSTANTIATE

}  // namespace gan::reference
