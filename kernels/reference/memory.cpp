#include "kernels/reference/memory.h"

#include "kernels/reference/view.h"

namespace gan::reference {
namespace {

template <class T>
void transfer(const Tensor& x, const Tensor& y, Write write) {
  check_shape(write == Write::overwrite ? "copy" : "add", "y", y, x.shape());
  const View<T> in(x), out(y);
  for (int64_t pixel = 0; pixel < x.shape().pixels(); ++pixel)
    for (int64_t c = 0; c < x.shape().c; ++c) store(out(pixel, c), in(pixel, c), write);
}

}  // namespace

template <class T>
void fill(const Tensor& x, float value) {
  const View<T> out(x);
  for (int64_t pixel = 0; pixel < x.shape().pixels(); ++pixel)
    for (int64_t c = 0; c < x.shape().c; ++c) out(pixel, c) = value;
}

template <class T>
void copy(const Tensor& x, const Tensor& y) {
  transfer<T>(x, y, Write::overwrite);
}

template <class T>
void add(const Tensor& x, const Tensor& y) {
  transfer<T>(x, y, Write::accumulate);
}

template <class T>
void axpby(float a, const Tensor& x, float b, const Tensor& y) {
  check_shape("axpby", "y", y, x.shape());
  const View<T> in(x), out(y);
  for (int64_t pixel = 0; pixel < x.shape().pixels(); ++pixel) {
    for (int64_t c = 0; c < x.shape().c; ++c) {
      const double sum =
          static_cast<double>(a) * in(pixel, c) + static_cast<double>(b) * out(pixel, c);
      store(out(pixel, c), sum, Write::overwrite);
    }
  }
}

template <class T>
void channel_sum(const Tensor& x, const Tensor& sums, Write write) {
  check_shape("channel_sum", "sums", sums, vector_shape(x.shape().c));
  const View<T> in(x);
  for (int64_t c = 0; c < x.shape().c; ++c) {
    double sum = 0;
    for (int64_t pixel = 0; pixel < x.shape().pixels(); ++pixel) sum += in(pixel, c);
    store(sums.as<T>()[c], sum, write);
  }
}

#define GAN_INSTANTIATE(T)                                            \
  template void fill<T>(const Tensor&, float);                        \
  template void copy<T>(const Tensor&, const Tensor&);                \
  template void add<T>(const Tensor&, const Tensor&);                 \
  template void axpby<T>(float, const Tensor&, float, const Tensor&); \
  template void channel_sum<T>(const Tensor&, const Tensor&, Write);
GAN_INSTANTIATE(float)
GAN_INSTANTIATE(double)
#undef GAN_INSTANTIATE

}  // namespace gan::reference
