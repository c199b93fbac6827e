#include "kernels/reference/dropout.h"

#include "kernels/reference/view.h"

namespace gan::reference {

template <class T>
void dropout(float p, const RandomKey& key, const Tensor& x, const Tensor& y, Write write) {
  require(p >= 0 && p < 1, "dropout: p is ", p, ", expected 0 <= p < 1");
  check_shape("dropout", "y", y, x.shape());
  const View<T> in(x), out(y);
  uint64_t element = 0;
  for (int64_t pixel = 0; pixel < x.shape().pixels(); ++pixel) {
    for (int64_t c = 0; c < x.shape().c; ++c, ++element) {
      const auto block = RandomKey::block(key.seed, key.stream, *key.step, element / 4);
      const bool dropped = unit_float(block[element % 4]) < p;
      store(out(pixel, c), dropped ? 0.0 : in(pixel, c) / (1.0 - p), write);
    }
  }
}

template void dropout<float>(float, const RandomKey&, const Tensor&, const Tensor&, Write);
template void dropout<double>(float, const RandomKey&, const Tensor&, const Tensor&, Write);

template <class T>
void fill_uniform(const RandomKey& key, const Tensor& x) {
  const View<T> out(x);
  uint64_t element = 0;
  for (int64_t pixel = 0; pixel < x.shape().pixels(); ++pixel) {
    for (int64_t c = 0; c < x.shape().c; ++c, ++element) {
      const auto block = RandomKey::block(key.seed, key.stream, *key.step, element / 4);
      out(pixel, c) = unit_float(block[element % 4]);
    }
  }
}

template void fill_uniform<float>(const RandomKey&, const Tensor&);
template void fill_uniform<double>(const RandomKey&, const Tensor&);

}  // namespace gan::reference
