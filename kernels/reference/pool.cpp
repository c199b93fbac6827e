#include "kernels/reference/pool.h"

#include "kernels/reference/activation.h"
#include "kernels/reference/view.h"

namespace gan::reference {
namespace {

// Calls body(n, h, w, c) for every index of `shape`.
template <class Body>
void for_each_index(const Shape& shape, Body&& body) {
  for (int64_t n = 0; n < shape.n; ++n)
    for (int64_t h = 0; h < shape.h; ++h)
      for (int64_t w = 0; w < shape.w; ++w)
        for (int64_t c = 0; c < shape.c; ++c) body(n, h, w, c);
}

// Which of the four elements of a window is the first maximum, in reading order.
template <class T>
int first_maximum(const View<T>& x, int64_t n, int64_t p, int64_t q, int64_t c) {
  int best = 0;
  for (int k = 1; k < 4; ++k) {
    const T candidate = x(n, 2 * p + k / 2, 2 * q + k % 2, c);
    if (candidate > x(n, 2 * p + best / 2, 2 * q + best % 2, c)) best = k;
  }
  return best;
}

}  // namespace

template <class T>
void avg_pool_forward(const Tensor& x, const Tensor& y) {
  check_shape("average pooling", "y", y, halved(x.shape()));
  const View<T> in(x), out(y);
  for_each_index(y.shape(), [&](int64_t n, int64_t p, int64_t q, int64_t c) {
    const double sum = static_cast<double>(in(n, 2 * p, 2 * q, c)) + in(n, 2 * p, 2 * q + 1, c) +
                       in(n, 2 * p + 1, 2 * q, c) + in(n, 2 * p + 1, 2 * q + 1, c);
    store(out(n, p, q, c), sum / 4, Write::overwrite);
  });
}

template <class T>
void avg_pool_backward(Activation act, const Tensor& x, const Tensor& dy, const Tensor& dx,
                       Write write) {
  const Shape ys = halved(dx.shape());
  check_shape("average pooling backward", "dy", dy, ys);
  const bool activated = act != Activation::none;
  if (activated) check_shape("average pooling backward", "x", x, dx.shape());
  const View<T> in(activated ? x : dx), slope(dy), out(dx);
  for_each_index(dx.shape(), [&](int64_t n, int64_t h, int64_t w, int64_t c) {
    const bool in_a_window = h / 2 < ys.h && w / 2 < ys.w;
    const double act_slope = activated ? slope_at_output(act, in(n, h, w, c)) : 1;
    store(out(n, h, w, c), in_a_window ? slope(n, h / 2, w / 2, c) / 4.0 * act_slope : 0.0, write);
  });
}

template <class T>
void max_pool_forward(const Tensor& x, const Tensor& y) {
  check_shape("max pooling", "y", y, halved(x.shape()));
  const View<T> in(x), out(y);
  for_each_index(y.shape(), [&](int64_t n, int64_t p, int64_t q, int64_t c) {
    const int best = first_maximum(in, n, p, q, c);
    out(n, p, q, c) = in(n, 2 * p + best / 2, 2 * q + best % 2, c);
  });
}

template <class T>
void max_pool_backward(const Tensor& x, const Tensor& dy, const Tensor& dx, Write write) {
  const Shape ys = halved(x.shape());
  check_shape("max pooling backward", "dy", dy, ys);
  check_shape("max pooling backward", "dx", dx, x.shape());
  const View<T> in(x), slope(dy), out(dx);
  for_each_index(dx.shape(), [&](int64_t n, int64_t h, int64_t w, int64_t c) {
    const int64_t p = h / 2, q = w / 2;
    const bool in_a_window = p < ys.h && q < ys.w;
    const int here = static_cast<int>(h % 2 * 2 + w % 2);
    const bool chosen = in_a_window && first_maximum(in, n, p, q, c) == here;
    store(out(n, h, w, c), chosen ? static_cast<double>(slope(n, p, q, c)) : 0.0, write);
  });
}

#define GAN_INSTANTIATE(T)                                                                    \
  template void avg_pool_forward<T>(const Tensor&, const Tensor&);                            \
  template void avg_pool_backward<T>(Activation, const Tensor&, const Tensor&, const Tensor&, \
                                     Write);                                                  \
  template void max_pool_forward<T>(const Tensor&, const Tensor&);                            \
  template void max_pool_backward<T>(const Tensor&, const Tensor&, const Tensor&, Write);
GAN_INSTANTIATE(float)
GAN_INSTANTIATE(double)
#undef GAN_INSTANTIATE

}  // namespace gan::reference
