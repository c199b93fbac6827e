#include "kernels/reference/batch_norm.h"

#include <algorithm>
#include <cmath>

#include "engine/parallel.h"
#include "kernels/reference/activation.h"
#include "kernels/reference/uniform.h"
#include "kernels/reference/view.h"

namespace gan::reference {
namespace {

void check_vector(const char* name, const Tensor& vector, int64_t channels) {
  check_shape("batch norm", name, vector, vector_shape(channels));
}

// What dropout multiplies element c of a pixel by.
double kept(const Dropout& dropout, int64_t pixel, int64_t c, int64_t channels) {
  if (!dropout) return 1;
  const auto element = static_cast<uint64_t>(pixel * channels + c);
  return uniform(dropout.key, element) < dropout.p ? 0 : 1 / (1.0 - dropout.p);
}

}  // namespace

template <class T>
void batch_norm_train(const Tensor& x, const BatchNorm& norm, Activation act,
                      const Dropout& dropout, const BatchNormSaved& saved, const Tensor& y) {
  const bool pools = pooled("batch norm", x.shape(), y.shape());
  const PoolingWindows windows = {x.shape().w};
  const int64_t count = x.shape().pixels(), channels = x.shape().c;
  check_vector("gamma", norm.gamma, channels);
  check_vector("beta", norm.beta, channels);
  check_vector("running_mean", norm.running_mean, channels);
  check_vector("running_var", norm.running_var, channels);
  check_vector("saved mean", saved.mean, channels);
  check_vector("saved inv_std", saved.inv_std, channels);
  const View<T> in(x), out(y);
  parallel_for(channels, [&](int64_t c) {
    double sum = 0;
    for (int64_t pixel = 0; pixel < count; ++pixel) sum += in(pixel, c);
    const double mean = sum / static_cast<double>(count);
    double squares = 0;
    for (int64_t pixel = 0; pixel < count; ++pixel) {
      const double distance = in(pixel, c) - mean;
      squares += distance * distance;
    }
    const double var = squares / static_cast<double>(count);
    const double inv_std = 1 / std::sqrt(var + norm.eps);
    const double gamma = norm.gamma.as<T>()[c], beta = norm.beta.as<T>()[c];
    const auto result = [&](int64_t pixel) {
      const double xhat = (in(pixel, c) - mean) * inv_std;
      return activate(act, gamma * xhat + beta) * kept(dropout, pixel, c, channels);
    };
    const auto average = [&](int64_t window) {
      const int64_t first = windows.first_pixel(window), below = first + windows.width;
      return (result(first) + result(first + 1) + result(below) + result(below + 1)) / 4;
    };
    for (int64_t i = 0; i < y.shape().pixels(); ++i)
      store(out(i, c), pools ? average(i) : result(i), Write::overwrite);
    saved.mean.as<T>()[c] = static_cast<T>(mean);
    saved.inv_std.as<T>()[c] = static_cast<T>(inv_std);
    const double unbiased_var = squares / static_cast<double>(std::max<int64_t>(count - 1, 1));
    T& running_mean = norm.running_mean.as<T>()[c];
    T& running_var = norm.running_var.as<T>()[c];
    store(running_mean, (1 - norm.momentum) * running_mean + norm.momentum * mean,
          Write::overwrite);
    store(running_var, (1 - norm.momentum) * running_var + norm.momentum * unbiased_var,
          Write::overwrite);
  });
}

template <class T>
void batch_norm_infer(const Tensor& x, const BatchNorm& norm, Activation act, const Tensor& y) {
  check_shape("batch norm", "y", y, x.shape());
  const int64_t count = x.shape().pixels(), channels = x.shape().c;
  check_vector("gamma", norm.gamma, channels);
  check_vector("beta", norm.beta, channels);
  check_vector("running_mean", norm.running_mean, channels);
  check_vector("running_var", norm.running_var, channels);
  const View<T> in(x), out(y);
  parallel_for(channels, [&](int64_t c) {
    const double inv_std = 1 / std::sqrt(norm.running_var.as<T>()[c] + norm.eps);
    const double mean = norm.running_mean.as<T>()[c];
    const double gamma = norm.gamma.as<T>()[c], beta = norm.beta.as<T>()[c];
    for (int64_t pixel = 0; pixel < count; ++pixel) {
      const double xhat = (in(pixel, c) - mean) * inv_std;
      store(out(pixel, c), activate(act, gamma * xhat + beta), Write::overwrite);
    }
  });
}

template <class T>
void batch_norm_backward(const Tensor& x, const Tensor& dy, const BatchNorm& norm, Activation act,
                         const Dropout& dropout, const BatchNormSaved& saved, const Tensor& dx,
                         const Tensor& dgamma, const Tensor& dbeta, Write write) {
  const bool pools = pooled("batch norm backward", x.shape(), dy.shape());
  const PoolingWindows windows = {x.shape().w};
  check_shape("batch norm backward", "dx", dx, x.shape());
  const int64_t count = x.shape().pixels(), channels = x.shape().c;
  check_vector("gamma", norm.gamma, channels);
  check_vector("beta", norm.beta, channels);
  check_vector("saved mean", saved.mean, channels);
  check_vector("saved inv_std", saved.inv_std, channels);
  if (dgamma) check_vector("dgamma", dgamma, channels);
  if (dbeta) check_vector("dbeta", dbeta, channels);
  const View<T> in(x), slope(dy), out(dx);
  parallel_for(channels, [&](int64_t c) {
    const double mean = saved.mean.as<T>()[c], inv_std = saved.inv_std.as<T>()[c];
    const double gamma = norm.gamma.as<T>()[c], beta = norm.beta.as<T>()[c];
    const auto xhat = [&](int64_t pixel) { return (in(pixel, c) - mean) * inv_std; };
    const auto dz = [&](int64_t pixel) {
      const double y = activate(act, gamma * xhat(pixel) + beta);
      const double of_result = pools ? slope(windows.window(pixel), c) / 4.0 : slope(pixel, c);
      return of_result * kept(dropout, pixel, c, channels) * slope_at_output(act, y);
    };
    double sum_dz = 0, sum_dz_xhat = 0;
    for (int64_t pixel = 0; pixel < count; ++pixel) {
      sum_dz += dz(pixel);
      sum_dz_xhat += dz(pixel) * xhat(pixel);
    }
    const double mean_dz = sum_dz / static_cast<double>(count);
    const double mean_dz_xhat = sum_dz_xhat / static_cast<double>(count);
    for (int64_t pixel = 0; pixel < count; ++pixel) {
      const double centred = dz(pixel) - mean_dz - xhat(pixel) * mean_dz_xhat;
      store(out(pixel, c), gamma * inv_std * centred, Write::overwrite);
    }
    if (dgamma) store(dgamma.as<T>()[c], sum_dz_xhat, write);
    if (dbeta) store(dbeta.as<T>()[c], sum_dz, write);
  });
}

template <class T>
void batch_norm_fold(const Tensor& w, const BatchNorm& norm, bool transposed,
                     const Tensor& folded_w, const Tensor& folded_bias) {
  const Shape s = w.shape();
  const int64_t channels = transposed ? s.c : s.n;
  check_shape("batch norm fold", "folded_w", folded_w, s);
  check_vector("folded_bias", folded_bias, channels);
  check_vector("gamma", norm.gamma, channels);
  check_vector("beta", norm.beta, channels);
  check_vector("running_mean", norm.running_mean, channels);
  check_vector("running_var", norm.running_var, channels);
  const auto scale = [&](int64_t c) {
    return norm.gamma.as<T>()[c] / std::sqrt(norm.running_var.as<T>()[c] + norm.eps);
  };
  const View<T> in(w), out(folded_w);
  for (int64_t row = 0; row < s.n; ++row)
    for (int64_t r = 0; r < s.h; ++r)
      for (int64_t t = 0; t < s.w; ++t)
        for (int64_t column = 0; column < s.c; ++column)
          store(out(row, r, t, column), in(row, r, t, column) * scale(transposed ? column : row),
                Write::overwrite);
  for (int64_t c = 0; c < channels; ++c) {
    const double shift = norm.running_mean.as<T>()[c] * scale(c);
    store(folded_bias.as<T>()[c], norm.beta.as<T>()[c] - shift, Write::overwrite);
  }
}

#define GAN_INSTANTIATE(T)                                                                         \
  template void batch_norm_train<T>(const Tensor&, const BatchNorm&, Activation, const Dropout&,   \
                                    const BatchNormSaved&, const Tensor&);                         \
  template void batch_norm_infer<T>(const Tensor&, const BatchNorm&, Activation, const Tensor&);   \
  template void batch_norm_backward<T>(const Tensor&, const Tensor&, const BatchNorm&, Activation, \
                                       const Dropout&, const BatchNormSaved&, const Tensor&,       \
                                       const Tensor&, const Tensor&, Write);                       \
  template void batch_norm_fold<T>(const Tensor&, const BatchNorm&, bool, const Tensor&,           \
                                   const Tensor&);
GAN_INSTANTIATE(float)
GAN_INSTANTIATE(double)
#undef GAN_INSTANTIATE

}  // namespace gan::reference
