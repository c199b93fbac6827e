// Batch norm and the activation after it.
//
//   mean, var over all pixels, per channel;  inv_std = 1/sqrt(var + eps);  scale = gamma * inv_std
//   z = (x - mean) * scale + beta,  y = act(z)
//   backward:  dz = act'(z) * dy (z recomputed),  dbeta = sum dz,  dgamma = inv_std * sum dz*(x-mean)
//              dx = scale * (dz - dbeta/m - (x - mean) * inv_std * dgamma/m),  m pixels
//
// Bytes moved per float: training forward 12 (statistics read x once, 4; apply 8), inference 8,
// backward 20 (sums 8, apply 12). Statistics: chunks small enough to stay in the cache, each with
// its own mean and sum of squares about that mean, merged in double in the order of the chunks.
#include <algorithm>
#include <cmath>

#include "engine/parallel.h"
#include "kernels/cpu/activation.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/stream.h"
#include "kernels/cpu/thread_scratch.h"

namespace gan {
namespace {

constexpr int64_t kChunk =
    16384;  // numbers: 64 KB of x, read twice, the second time from the cache

// The chunks of pixels over which sums are made.
struct Chunks {
  explicit Chunks(const Shape& shape)
      : pixels(shape.pixels()),
        size(std::clamp<int64_t>(kChunk / std::max<int64_t>(1, shape.c), 8, 4096)),
        count((pixels + size - 1) / size) {}
  int64_t length(int64_t chunk) const { return std::min(size, pixels - chunk * size); }

  int64_t pixels, size, count;
};

// The mean of each channel over `rows` pixels, and the sum of squares about it. Four pixels at a
// time, which shortens the chain of additions.
GAN_SIMD void chunk_statistics(int64_t rows, int64_t channels, const float* __restrict x,
                               int64_t pitch, float* __restrict mean, float* __restrict squares) {
  for (int64_t c = 0; c < channels; ++c) mean[c] = squares[c] = 0;
  const float* row = x;
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4, row += 4 * pitch) {
    const float *row1 = row + pitch, *row2 = row1 + pitch, *row3 = row2 + pitch;
    for (int64_t c = 0; c < channels; ++c) mean[c] += (row[c] + row1[c]) + (row2[c] + row3[c]);
  }
  for (; r < rows; ++r, row += pitch)
    for (int64_t c = 0; c < channels; ++c) mean[c] += row[c];
  const float share = 1.0f / static_cast<float>(rows);
  for (int64_t c = 0; c < channels; ++c) mean[c] *= share;

  row = x;
  for (r = 0; r + 4 <= rows; r += 4, row += 4 * pitch) {
    const float *row1 = row + pitch, *row2 = row1 + pitch, *row3 = row2 + pitch;
    for (int64_t c = 0; c < channels; ++c) {
      const float d0 = row[c] - mean[c], d1 = row1[c] - mean[c];
      const float d2 = row2[c] - mean[c], d3 = row3[c] - mean[c];
      squares[c] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
    }
  }
  for (; r < rows; ++r, row += pitch) {
    for (int64_t c = 0; c < channels; ++c) {
      const float d = row[c] - mean[c];
      squares[c] += d * d;
    }
  }
}

GAN_SIMD void normalise_rows(Activation act, int64_t rows, int64_t channels, const float* x,
                             int64_t x_pitch, const float* __restrict mean,
                             const float* __restrict scale, const float* __restrict beta, float* y,
                             int64_t y_pitch) {
  cpu::with_piecewise_activation(act, [&]<Activation a>() GAN_INLINE_LAMBDA {
    for (int64_t r = 0; r < rows; ++r, x += x_pitch, y += y_pitch) {
      GAN_INDEPENDENT
      for (int64_t c = 0; c < channels; ++c)
        y[c] = cpu::activate<a>((x[c] - mean[c]) * scale[c] + beta[c]);
    }
  });
}

// sums[c] = sum dz, products[c] = sum dz * (x - mean), over `rows` pixels.
GAN_SIMD void chunk_gradients(Activation act, int64_t rows, int64_t channels,
                              const float* __restrict x, int64_t x_pitch,
                              const float* __restrict dy, int64_t dy_pitch,
                              const float* __restrict mean, const float* __restrict scale,
                              const float* __restrict beta, float* __restrict sums,
                              float* __restrict products) {
  for (int64_t c = 0; c < channels; ++c) sums[c] = products[c] = 0;
  cpu::with_piecewise_activation(act, [&]<Activation a>() GAN_INLINE_LAMBDA {
    int64_t r = 0;
    for (; r + 2 <= rows; r += 2, x += 2 * x_pitch, dy += 2 * dy_pitch) {
      const float *x1 = x + x_pitch, *dy1 = dy + dy_pitch;
      for (int64_t c = 0; c < channels; ++c) {
        const float d0 = x[c] - mean[c], d1 = x1[c] - mean[c];
        const float dz0 = cpu::slope_times<a>(d0 * scale[c] + beta[c], dy[c]);
        const float dz1 = cpu::slope_times<a>(d1 * scale[c] + beta[c], dy1[c]);
        sums[c] += dz0 + dz1;
        products[c] += dz0 * d0 + dz1 * d1;
      }
    }
    for (; r < rows; ++r, x += x_pitch, dy += dy_pitch) {
      for (int64_t c = 0; c < channels; ++c) {
        const float d = x[c] - mean[c];
        const float dz = cpu::slope_times<a>(d * scale[c] + beta[c], dy[c]);
        sums[c] += dz;
        products[c] += dz * d;
      }
    }
  });
}

// dx = scale * (dz - mean_dz - (x - mean) * slope); dx may be x or dy.
GAN_SIMD void gradient_rows(Activation act, int64_t rows, int64_t channels, const float* x,
                            int64_t x_pitch, const float* dy, int64_t dy_pitch,
                            const float* __restrict mean, const float* __restrict scale,
                            const float* __restrict beta, const float* __restrict mean_dz,
                            const float* __restrict slope, float* dx, int64_t dx_pitch) {
  cpu::with_piecewise_activation(act, [&]<Activation a>() GAN_INLINE_LAMBDA {
    for (int64_t r = 0; r < rows; ++r, x += x_pitch, dy += dy_pitch, dx += dx_pitch) {
      GAN_INDEPENDENT
      for (int64_t c = 0; c < channels; ++c) {
        const float d = x[c] - mean[c];
        const float dz = cpu::slope_times<a>(d * scale[c] + beta[c], dy[c]);
        dx[c] = scale[c] * ((dz - mean_dz[c]) - d * slope[c]);
      }
    }
  });
}

void apply(Activation act, const Tensor& x, const float* mean, const float* scale,
           const float* beta, const Tensor& y) {
  const Chunks chunks(x.shape());
  const int64_t channels = x.shape().c;
  const bool streams = cpu::passes_cache(y) && y.data() != x.data();
  parallel_for(chunks.count, [&](int64_t i) {
    const int64_t first = i * chunks.size, rows = chunks.length(i);
    const float* from = x.as<float>() + first * x.pitch();
    float* to = y.as<float>() + first * y.pitch();
    if (!streams) {
      normalise_rows(act, rows, channels, from, x.pitch(), mean, scale, beta, to, y.pitch());
      return;
    }
    static thread_local cpu::ThreadScratch scratch;
    float* results = scratch.numbers(chunks.size * channels);
    normalise_rows(act, rows, channels, from, x.pitch(), mean, scale, beta, results, channels);
    for (int64_t r = 0; r < rows; ++r)
      cpu::stream_copy(results + r * channels, channels, to + r * y.pitch());
    cpu::end_streams();
  });
}

}  // namespace

void CpuBackend::batch_norm_train(const Tensor& x, const BatchNorm& norm, Activation act,
                                  const BatchNormSaved& saved, const Tensor& y) {
  const int64_t channels = x.shape().c;
  const Chunks chunks(x.shape());
  float* means = scratch((2 * chunks.count + 1) * channels);
  float* squares = means + chunks.count * channels;
  float* scale = squares + chunks.count * channels;
  parallel_for(chunks.count, [&](int64_t i) {
    chunk_statistics(chunks.length(i), channels, x.as<float>() + i * chunks.size * x.pitch(),
                     x.pitch(), means + i * channels, squares + i * channels);
  });

  float *mean = saved.mean.as<float>(), *inv_std = saved.inv_std.as<float>();
  const double pixels = static_cast<double>(chunks.pixels);
  for (int64_t c = 0; c < channels; ++c) {
    double sum = 0, square = 0;
    for (int64_t i = 0; i < chunks.count; ++i)
      sum += static_cast<double>(chunks.length(i)) * means[i * channels + c];
    const double centre = sum / pixels;
    for (int64_t i = 0; i < chunks.count; ++i) {
      const double offset = means[i * channels + c] - centre;
      square += squares[i * channels + c] + static_cast<double>(chunks.length(i)) * offset * offset;
    }
    const double variance = square / pixels;
    const double unbiased = chunks.pixels > 1 ? square / (pixels - 1) : variance;
    const double rate = 1.0 / std::sqrt(variance + norm.eps);
    mean[c] = static_cast<float>(centre);
    inv_std[c] = static_cast<float>(rate);
    scale[c] = static_cast<float>(norm.gamma.as<float>()[c] * rate);
    float &running_mean = norm.running_mean.as<float>()[c],
          &running_var = norm.running_var.as<float>()[c];
    running_mean = static_cast<float>((1 - norm.momentum) * running_mean + norm.momentum * centre);
    running_var = static_cast<float>((1 - norm.momentum) * running_var + norm.momentum * unbiased);
  }
  apply(act, x, mean, scale, norm.beta.as<float>(), y);
}

void CpuBackend::batch_norm_infer(const Tensor& x, const BatchNorm& norm, Activation act,
                                  const Tensor& y) {
  float* scale = scratch(x.shape().c);
  for (int64_t c = 0; c < x.shape().c; ++c) {
    scale[c] = static_cast<float>(norm.gamma.as<float>()[c] /
                                  std::sqrt(norm.running_var.as<float>()[c] + norm.eps));
  }
  apply(act, x, norm.running_mean.as<float>(), scale, norm.beta.as<float>(), y);
}

void CpuBackend::batch_norm_backward(const Tensor& x, const Tensor& dy, const BatchNorm& norm,
                                     Activation act, const BatchNormSaved& saved, const Tensor& dx,
                                     const Tensor& dgamma, const Tensor& dbeta, Write write) {
  const int64_t channels = x.shape().c;
  const Chunks chunks(x.shape());
  float* sums = scratch((2 * chunks.count + 3) * channels);
  float* products = sums + chunks.count * channels;
  float* scale = products + chunks.count * channels;
  float *mean_dz = scale + channels, *slope = mean_dz + channels;
  const float *mean = saved.mean.as<float>(), *inv_std = saved.inv_std.as<float>();
  const float *gamma = norm.gamma.as<float>(), *beta = norm.beta.as<float>();
  for (int64_t c = 0; c < channels; ++c) scale[c] = gamma[c] * inv_std[c];

  parallel_for(chunks.count, [&](int64_t i) {
    const int64_t first = i * chunks.size;
    chunk_gradients(act, chunks.length(i), channels, x.as<float>() + first * x.pitch(), x.pitch(),
                    dy.as<float>() + first * dy.pitch(), dy.pitch(), mean, scale, beta,
                    sums + i * channels, products + i * channels);
  });

  const double pixels = static_cast<double>(chunks.pixels);
  const bool accumulate = write == Write::accumulate;
  for (int64_t c = 0; c < channels; ++c) {
    double sum = 0, product = 0;
    for (int64_t i = 0; i < chunks.count; ++i) {
      sum += sums[i * channels + c];
      product += products[i * channels + c];
    }
    const double gradient = product * inv_std[c];  // of gamma
    mean_dz[c] = static_cast<float>(sum / pixels);
    slope[c] = static_cast<float>(inv_std[c] * gradient / pixels);
    if (dgamma) {
      float& out = dgamma.as<float>()[c];
      out = static_cast<float>(gradient) + (accumulate ? out : 0.0f);
    }
    if (dbeta) {
      float& out = dbeta.as<float>()[c];
      out = static_cast<float>(sum) + (accumulate ? out : 0.0f);
    }
  }

  parallel_for(chunks.count, [&](int64_t i) {
    const int64_t first = i * chunks.size;
    gradient_rows(act, chunks.length(i), channels, x.as<float>() + first * x.pitch(), x.pitch(),
                  dy.as<float>() + first * dy.pitch(), dy.pitch(), mean, scale, beta, mean_dz,
                  slope, dx.as<float>() + first * dx.pitch(), dx.pitch());
  });
}

void CpuBackend::batch_norm_fold(const Tensor& w, const BatchNorm& norm, bool transposed,
                                 const Tensor& folded_w, const Tensor& folded_bias) {
  const Shape& shape = w.shape();
  const int64_t outputs = transposed ? shape.c : shape.n;
  float *scale = scratch(outputs), *bias = folded_bias.as<float>();
  for (int64_t k = 0; k < outputs; ++k) {
    const double s =
        norm.gamma.as<float>()[k] / std::sqrt(norm.running_var.as<float>()[k] + norm.eps);
    scale[k] = static_cast<float>(s);
    bias[k] = static_cast<float>(norm.beta.as<float>()[k] - norm.running_mean.as<float>()[k] * s);
  }
  const int64_t taps = shape.h * shape.w;
  parallel_for(shape.n, [&](int64_t row) {
    for (int64_t tap = row * taps; tap < (row + 1) * taps; ++tap) {
      const float* from = w.as<float>() + tap * w.pitch();
      float* to = folded_w.as<float>() + tap * folded_w.pitch();
      for (int64_t c = 0; c < shape.c; ++c) to[c] = from[c] * scale[transposed ? c : row];
    }
  });
}

}  // namespace gan
