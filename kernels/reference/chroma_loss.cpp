#include "kernels/reference/chroma_loss.h"

#include <algorithm>
#include <cmath>

#include "kernels/reference/view.h"

namespace gan::reference {
namespace {

// The cell of -1..1, cut into `cells`, that holds `value`.
int64_t cell_of(double value, int64_t cells) {
  const auto cell = static_cast<int64_t>(std::floor((value + 1) / 2 * static_cast<double>(cells)));
  return std::clamp<int64_t>(cell, 0, cells - 1);
}

double sign(double value) {
  return value > 0 ? 1 : value < 0 ? -1 : 0;
}

struct Moments {
  double mean, spread;
};
template <class T>
Moments moments(const View<T>& x, int64_t first_pixel, int64_t pixels, int64_t c) {
  constexpr double kEps = 1e-4;
  const auto count = static_cast<double>(pixels);
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < pixels; ++i) sum += x(first_pixel + i, c);
  const double mean = sum / count;
  for (int64_t i = 0; i < pixels; ++i) squares += std::pow(x(first_pixel + i, c) - mean, 2);
  return {mean, std::sqrt(squares / count + kEps)};
}

}  // namespace

template <class T>
void chroma_loss(const Tensor& x, const Tensor& target, const Tensor& weights, float beta,
                 float weight, const Tensor& loss, const Tensor& dx, Write write) {
  const Shape shape = x.shape();
  const int64_t cells = weights.shape().h;
  check_shape("chroma loss", "x", x, {shape.n, shape.h, shape.w, 2});
  check_shape("chroma loss", "target", target, shape);
  check_shape("chroma loss", "weights", weights, {1, cells, cells, 1});
  check_shape("chroma loss", "loss", loss, vector_shape(1));
  if (dx) check_shape("chroma loss", "dx", dx, shape);
  const View<T> in(x), wanted(target), table(weights);
  const auto count = static_cast<double>(shape.elements());
  double sum = 0;
  for (int64_t pixel = 0; pixel < shape.pixels(); ++pixel) {
    const double v =
        table(0, cell_of(wanted(pixel, 0), cells), cell_of(wanted(pixel, 1), cells), 0);
    for (int64_t c = 0; c < 2; ++c) {
      const double d = static_cast<double>(in(pixel, c)) - wanted(pixel, c);
      const bool near = std::abs(d) < beta;
      sum += v * (near ? d * d / (2 * beta) : std::abs(d) - beta / 2);
      if (dx) store(View<T>(dx)(pixel, c), weight / count * v * (near ? d / beta : sign(d)), write);
    }
  }
  store(*loss.as<T>(), sum / count, Write::overwrite);
}

template <class T>
void moment_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
                 const Tensor& dx, Write write) {
  const Shape shape = x.shape();
  check_shape("moment loss", "target", target, shape);
  check_shape("moment loss", "loss", loss, vector_shape(1));
  if (dx) check_shape("moment loss", "dx", dx, shape);
  const View<T> in(x), wanted(target);
  const int64_t pixels = shape.h * shape.w;
  const auto terms = static_cast<double>(shape.n * shape.c);
  double sum = 0;
  for (int64_t n = 0; n < shape.n; ++n) {
    for (int64_t c = 0; c < shape.c; ++c) {
      const Moments of_x = moments(in, n * pixels, pixels, c);
      const Moments truth = moments(wanted, n * pixels, pixels, c);
      sum += std::abs(of_x.mean - truth.mean) + std::abs(of_x.spread - truth.spread);
      if (!dx) continue;
      const double scale = weight / terms / static_cast<double>(pixels);
      for (int64_t i = n * pixels; i < (n + 1) * pixels; ++i) {
        const double slope = sign(of_x.mean - truth.mean) + sign(of_x.spread - truth.spread) *
                                                                (in(i, c) - of_x.mean) /
                                                                of_x.spread;
        store(View<T>(dx)(i, c), scale * slope, write);
      }
    }
  }
  store(*loss.as<T>(), sum / terms, Write::overwrite);
}

#define GAN_INSTANTIATE(T)                                                                        \
  template void chroma_loss<T>(const Tensor&, const Tensor&, const Tensor&, float, float,         \
                               const Tensor&, const Tensor&, Write);                              \
  template void moment_loss<T>(const Tensor&, const Tensor&, float, const Tensor&, const Tensor&, \
                               Write);
GAN_INSTANTIATE(float)
GAN_INSTANTIATE(double)
#undef GAN_INSTANTIATE

}  // namespace gan::reference
