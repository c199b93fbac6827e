#include "kernels/reference/linear.h"

#include "kernels/reference/view.h"

namespace gan::reference {
namespace {

void check_linear(const Tensor& x, const Tensor& w, const Tensor& y) {
  const Shape s = x.shape();
  check_shape("linear", "w", w, {y.shape().c, s.h, s.w, s.c});
  check_shape("linear", "y", y, {s.n, 1, 1, y.shape().c});
}

}  // namespace

template <class T>
void linear_forward(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) {
  check_linear(x, w, y);
  if (bias) check_shape("linear", "bias", bias, vector_shape(y.shape().c));
  const View<T> in(x), weight(w), out(y);
  const Shape s = x.shape();
  const int64_t pixels = s.h * s.w;  // of one picture
  for (int64_t n = 0; n < s.n; ++n) {
    for (int64_t o = 0; o < y.shape().c; ++o) {
      double sum = bias ? static_cast<double>(bias.as<T>()[o]) : 0.0;
      for (int64_t p = 0; p < pixels; ++p)
        for (int64_t c = 0; c < s.c; ++c)
          sum += static_cast<double>(in(n * pixels + p, c)) * weight(o * pixels + p, c);
      store(out(n, o), sum, Write::overwrite);
    }
  }
}

template <class T>
void linear_backward_data(const Tensor& dy, const Tensor& w, const Tensor& dx, Write write) {
  check_linear(dx, w, dy);
  const View<T> slope(dy), weight(w), out(dx);
  const Shape s = dx.shape();
  const int64_t pixels = s.h * s.w;
  for (int64_t n = 0; n < s.n; ++n) {
    for (int64_t p = 0; p < pixels; ++p) {
      for (int64_t c = 0; c < s.c; ++c) {
        double sum = 0;
        for (int64_t o = 0; o < dy.shape().c; ++o)
          sum += static_cast<double>(slope(n, o)) * weight(o * pixels + p, c);
        store(out(n * pixels + p, c), sum, write);
      }
    }
  }
}

template <class T>
void linear_backward_weights(const Tensor& x, const Tensor& dy, const Tensor& dw, Write write) {
  check_linear(x, dw, dy);
  const View<T> in(x), slope(dy), out(dw);
  const Shape s = x.shape();
  const int64_t pixels = s.h * s.w;
  for (int64_t o = 0; o < dy.shape().c; ++o) {
    for (int64_t p = 0; p < pixels; ++p) {
      for (int64_t c = 0; c < s.c; ++c) {
        double sum = 0;
        for (int64_t n = 0; n < s.n; ++n)
          sum += static_cast<double>(slope(n, o)) * in(n * pixels + p, c);
        store(out(o * pixels + p, c), sum, write);
      }
    }
  }
}

#define GAN_INSTANTIATE(T)                                                                     \
  template void linear_forward<T>(const Tensor&, const Tensor&, const Tensor&, const Tensor&); \
  template void linear_backward_data<T>(const Tensor&, const Tensor&, const Tensor&, Write);   \
  template void linear_backward_weights<T>(const Tensor&, const Tensor&, const Tensor&, Write);
GAN_INSTANTIATE(float)
GAN_INSTANTIATE(double)
#undef GAN_INSTANTIATE

}  // namespace gan::reference
