#include "kernels/reference/upsample.h"

#include <algorithm>
#include <array>

#include "kernels/reference/view.h"

namespace gan::reference {
namespace {

Shape doubled(const Shape& x) {
  return {x.n, 2 * x.h, 2 * x.w, x.c};
}

// The two elements of an axis of `extent` that element `at` of the doubled axis is made of.
struct Tap {
  int64_t from;
  double weight;
};
std::array<Tap, 2> taps(int64_t at, int64_t extent) {
  const int64_t near = at / 2, neighbour = near - 1 + 2 * (at % 2);
  return {{{near, 0.75}, {std::clamp<int64_t>(neighbour, 0, extent - 1), 0.25}}};
}

// Calls body(n, h, w, y_tap, x_tap) for every pixel of y and each of its four sources in x.
template <class Body>
void for_each_tap(const Shape& x, Body&& body) {
  for (int64_t n = 0; n < x.n; ++n)
    for (int64_t h = 0; h < 2 * x.h; ++h)
      for (int64_t w = 0; w < 2 * x.w; ++w)
        for (const Tap& row : taps(h, x.h))
          for (const Tap& column : taps(w, x.w)) body(n, h, w, row, column);
}

}  // namespace

template <class T>
void upsample_forward(const Tensor& x, const Tensor& y) {
  check_shape("upsampling", "y", y, doubled(x.shape()));
  const View<T> in(x), out(y);
  const Shape shape = y.shape();
  for (int64_t n = 0; n < shape.n; ++n) {
    for (int64_t h = 0; h < shape.h; ++h) {
      for (int64_t w = 0; w < shape.w; ++w) {
        for (int64_t c = 0; c < shape.c; ++c) {
          double sum = 0;
          for (const Tap& row : taps(h, x.shape().h))
            for (const Tap& column : taps(w, x.shape().w))
              sum += row.weight * column.weight * in(n, row.from, column.from, c);
          store(out(n, h, w, c), sum, Write::overwrite);
        }
      }
    }
  }
}

template <class T>
void upsample_backward(const Tensor& dy, const Tensor& dx, Write write) {
  const Shape shape = dx.shape();
  check_shape("upsampling backward", "dy", dy, doubled(shape));
  const View<T> slope(dy), out(dx);
  std::vector<double> sums(static_cast<size_t>(shape.elements()));
  for_each_tap(shape, [&](int64_t n, int64_t h, int64_t w, const Tap& row, const Tap& column) {
    double* to = &sums[((n * shape.h + row.from) * shape.w + column.from) * shape.c];
    for (int64_t c = 0; c < shape.c; ++c) {
      to[c] += row.weight * column.weight * slope(n, h, w, c);
    }
  });
  for (int64_t pixel = 0; pixel < shape.pixels(); ++pixel)
    for (int64_t c = 0; c < shape.c; ++c) store(out(pixel, c), sums[pixel * shape.c + c], write);
}

#define GAN_INSTANTIATE(T)                                         \
  template void upsample_forward<T>(const Tensor&, const Tensor&); \
  template void upsample_backward<T>(const Tensor&, const Tensor&, Write);
GAN_INSTANTIATE(float)
GAN_INSTANTIATE(double)
#undef GAN_INSTANTIATE

}  // namespace gan::reference
