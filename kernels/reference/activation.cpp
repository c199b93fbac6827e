#include "kernels/reference/activation.h"

#include "kernels/reference/view.h"

namespace gan::reference {

template <class T>
void activation_forward(Activation act, const Tensor& x, const Tensor& y) {
  check_shape("activation", "y", y, x.shape());
  const View<T> in(x), out(y);
  for (int64_t pixel = 0; pixel < x.shape().pixels(); ++pixel)
    for (int64_t c = 0; c < x.shape().c; ++c)
      store(out(pixel, c), activate(act, in(pixel, c)), Write::overwrite);
}

template <class T>
void activation_backward(Activation act, const Tensor& y, const Tensor& dy, const Tensor& dx,
                         Write write) {
  check_shape("activation backward", "dy", dy, y.shape());
  check_shape("activation backward", "dx", dx, y.shape());
  const View<T> forward(y), slope(dy), out(dx);
  for (int64_t pixel = 0; pixel < y.shape().pixels(); ++pixel) {
    for (int64_t c = 0; c < y.shape().c; ++c) {
      const double act_slope = slope_at_output(act, forward(pixel, c));
      store(out(pixel, c), slope(pixel, c) * act_slope, write);
    }
  }
}

#define GAN_INSTANTIATE(T)                                                                      \
  template void activation_forward<T>(Activation, const Tensor&, const Tensor&);                \
  template void activation_backward<T>(Activation, const Tensor&, const Tensor&, const Tensor&, \
                                       Write);
GAN_INSTANTIATE(float)
GAN_INSTANTIATE(double)
#undef GAN_INSTANTIATE

}  // namespace gan::reference
