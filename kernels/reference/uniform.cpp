#include "kernels/reference/uniform.h"

#include "kernels/reference/view.h"

namespace gan::reference {

float uniform(const RandomKey& key, uint64_t element) {
  const auto block = RandomKey::block(key.seed, key.stream, *key.step, element / 4);
  return unit_float(block[element % 4]);
}

template <class T>
void fill_uniform(const RandomKey& key, const Tensor& x) {
  const View<T> out(x);
  uint64_t element = 0;
  for (int64_t pixel = 0; pixel < x.shape().pixels(); ++pixel)
    for (int64_t c = 0; c < x.shape().c; ++c, ++element) out(pixel, c) = uniform(key, element);
}

template void fill_uniform<float>(const RandomKey&, const Tensor&);
template void fill_uniform<double>(const RandomKey&, const Tensor&);

}  // namespace gan::reference
