// Batch norm, the activation after it, and dropout.
//
//   mean, var over all pixels, per channel;  inv_std = 1/sqrt(var + eps);  scale = gamma * inv_std
//   z = (x - mean) * scale + beta,  y = drop(act(z))
//   and of y perhaps the averages over 2x2 windows, whose gradient each pixel gets a quarter of
//   backward:  dz = act'(z) * drop(dy) (z recomputed),  dbeta = sum dz,  dgamma = inv_std * sum dz*(x-mean)
//              dx = scale * (dz - dbeta/m - (x - mean) * inv_std * dgamma/m),  m pixels
//
// Bytes moved per float: training forward 12 (statistics read x once, 4; apply 8), inference 8,
// backward 20 (sums 8, apply 12); averages move a quarter of what y or dy would. Statistics: chunks of pixels, each with its own mean and
// sum of squares about that mean, merged in double in the order of the chunks.
#include <algorithm>
#include <array>
#include <cmath>

#include "engine/parallel.h"
#include "kernels/cpu/activation.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/dropout.h"
#include "kernels/cpu/pool.h"
#include "kernels/cpu/stream.h"
#include "kernels/cpu/thread_scratch.h"

namespace gan {
namespace {

constexpr int64_t kChunk = 16384;    // numbers: 64 KB of x
constexpr int64_t kStreamed = 1024;  // numbers that are made before they are written

// The chunks of pixels over which sums are made.
struct Chunks {
  explicit Chunks(const Shape& shape)
      : pixels(shape.pixels()),
        size(std::clamp<int64_t>(kChunk / std::max<int64_t>(1, shape.c), 8, 4096)),
        count((pixels + size - 1) / size) {}
  int64_t length(int64_t chunk) const { return std::min(size, pixels - chunk * size); }

  // body(first pixel, pixels) for every chunk, in parallel and the last ones first: what a pass over
  // all of them read last is still in the cache.
  template <class Body>
  void backwards(Body&& body) const {
    parallel_for(count, [&](int64_t i) {
      const int64_t chunk = count - 1 - i;
      body(chunk * size, length(chunk));
    });
  }

  int64_t pixels, size, count;
};

// Sums over all chunks, of neighbouring channels: body(first channel, channels), in parallel.
constexpr int64_t kChannels = 16;
using ChannelSums = std::array<double, kChannels>;
template <class Body>
void for_channels(int64_t channels, Body&& body) {
  parallel_ranges(channels, kChannels,
                  [&](int64_t begin, int64_t end) { body(begin, end - begin); });
}

// The mean of each channel over `rows` pixels, and the sum of squares about it, in one pass: of the
// differences d to a shift near the mean,
//   mean = shift + sum d / rows,  squares = sum d^2 - (sum d)^2 / rows
// (Chan, Golub and LeVeque 1983, eq. 1.7). The shift is the mean of eight of the pixels. However far from
// all others they are, the squares about the mean hold theirs, so that the difference loses no more than
// about rows / 8 times a rounding error. Four pixels at a time, which shortens the chain of additions.
constexpr int64_t kShiftRows = 8;
GAN_SIMD void chunk_statistics(int64_t rows, int64_t channels, const float* __restrict x,
                               int64_t pitch, float* __restrict sums, float* __restrict mean,
                               float* __restrict squares) {
  for (int64_t c = 0; c < channels; ++c) mean[c] = sums[c] = squares[c] = 0;
  for (int64_t i = 0; i < kShiftRows; ++i) {
    // Not all of one column of a picture, which may be its edge.
    const float* pixel = x + std::min(i * rows / kShiftRows + 5 * i + 3, rows - 1) * pitch;
    for (int64_t c = 0; c < channels; ++c) mean[c] += pixel[c];
  }
  for (int64_t c = 0; c < channels; ++c) mean[c] *= 1.0f / kShiftRows;

  const float* row = x;
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4, row += 4 * pitch) {
    const float *row1 = row + pitch, *row2 = row1 + pitch, *row3 = row2 + pitch;
    for (int64_t c = 0; c < channels; ++c) {
      const float d0 = row[c] - mean[c], d1 = row1[c] - mean[c];
      const float d2 = row2[c] - mean[c], d3 = row3[c] - mean[c];
      sums[c] += (d0 + d1) + (d2 + d3);
      squares[c] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
    }
  }
  for (; r < rows; ++r, row += pitch) {
    for (int64_t c = 0; c < channels; ++c) {
      const float d = row[c] - mean[c];
      sums[c] += d;
      squares[c] += d * d;
    }
  }
  for (int64_t c = 0; c < channels; ++c) {
    const float offset = sums[c] / static_cast<float>(rows);
    const float about_mean = squares[c] - sums[c] * offset;
    mean[c] += offset;
    squares[c] = about_mean < 0 ? 0.0f : about_mean;  // which keeps what is no number
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

// A slice's pixels, which the processor does not foresee as it does numbers that follow one another.
constexpr int64_t kPixelsAhead = 4;
GAN_INLINE void fetch_slice(const float* pixels, int64_t pitch, int64_t channels) {
#if defined(__GNUC__)
  if (pitch == channels) return;
  for (int64_t c = 0; c < channels; c += 16) __builtin_prefetch(pixels + kPixelsAhead * pitch + c);
#endif
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
      fetch_slice(dy, dy_pitch, channels);
      fetch_slice(dy1, dy_pitch, channels);
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
      fetch_slice(dy, dy_pitch, channels);
      GAN_INDEPENDENT
      for (int64_t c = 0; c < channels; ++c) {
        const float d = x[c] - mean[c];
        const float dz = cpu::slope_times<a>(d * scale[c] + beta[c], dy[c]);
        dx[c] = scale[c] * ((dz - mean_dz[c]) - d * slope[c]);
      }
    }
  });
}

void apply(Activation act, const Dropout& dropout, const Tensor& x, const float* mean,
           const float* scale, const float* beta, const Tensor& y) {
  const Chunks chunks(x.shape());
  const int64_t channels = x.shape().c;
  const bool streams = cpu::passes_cache(y) && y.data() != x.data();
  chunks.backwards([&](int64_t first, int64_t rows) {
    const float* from = x.as<float>() + first * x.pitch();
    float* to = y.as<float>() + first * y.pitch();
    if (!streams) {
      normalise_rows(act, rows, channels, from, x.pitch(), mean, scale, beta, to, y.pitch());
      if (dropout) cpu::drop_rows(dropout, first, rows, channels, to, y.pitch(), to, y.pitch());
      return;
    }
    // A few kilobytes at a time, so that reading and writing go on side by side.
    static thread_local cpu::ThreadScratch scratch;
    const int64_t piece = std::max<int64_t>(1, kStreamed / channels);
    float* results = scratch.numbers(piece * channels);
    for (int64_t begin = 0; begin < rows; begin += piece) {
      const int64_t count = std::min(piece, rows - begin);
      normalise_rows(act, count, channels, from + begin * x.pitch(), x.pitch(), mean, scale, beta,
                     results, channels);
      if (dropout)
        cpu::drop_rows(dropout, first + begin, count, channels, results, channels, results,
                       channels);
      for (int64_t r = 0; r < count; ++r)
        cpu::stream_copy(results + r * channels, channels, to + (begin + r) * y.pitch());
    }
    cpu::end_streams();
  });
}

// The same, then averaged: a row of windows at a time.
void apply_averaged(Activation act, const Dropout& dropout, const Tensor& x, const float* mean,
                    const float* scale, const float* beta, const Tensor& y) {
  const int64_t channels = x.shape().c, width = x.shape().w, across = y.shape().w;
  const int64_t lines = y.shape().n * y.shape().h;
  parallel_for(lines, [&](int64_t i) {
    static thread_local cpu::ThreadScratch scratch;
    const int64_t line = lines - 1 - i, first = 2 * line * width;  // as Chunks::backwards
    float* const results = scratch.numbers(2 * width * channels);
    normalise_rows(act, 2 * width, channels, x.as<float>() + first * x.pitch(), x.pitch(), mean,
                   scale, beta, results, channels);
    if (dropout)
      cpu::drop_rows(dropout, first, 2 * width, channels, results, channels, results, channels);
    cpu::average_row(across, channels, results, results + width * channels, channels,
                     y.as<float>() + line * across * y.pitch(), y.pitch());
  });
}

// Some rows of a gradient.
struct GradientRows {
  const float* data;
  int64_t pitch;
};

GAN_SIMD void quarter_rows(const PoolingWindows& windows, int64_t first, int64_t rows,
                           int64_t channels, const float* __restrict dy, int64_t dy_pitch,
                           float* __restrict to) {
  for (int64_t r = 0; r < rows; ++r, to += channels) {
    const float* const from = dy + windows.window(first + r) * dy_pitch;
    for (int64_t c = 0; c < channels; ++c) to[c] = 0.25f * from[c];
  }
}

// The gradient of the activation's results in rows of x from `first` on, by dy, that of what dropout and
// averaging made of them: in memory of this thread, until the next call, where dy itself is not it.
GradientRows gradients_of_results(const Dropout& dropout, const Tensor& x, const Tensor& dy,
                                  int64_t first, int64_t rows) {
  const bool pools = pooled("batch norm backward", x.shape(), dy.shape());
  const float* const from = dy.as<float>() + (pools ? 0 : first * dy.pitch());
  if (!pools && !dropout) return {from, dy.pitch()};
  static thread_local cpu::ThreadScratch scratch;
  const int64_t channels = x.shape().c;
  float* const to = scratch.numbers(rows * channels);
  if (pools) quarter_rows({x.shape().w}, first, rows, channels, from, dy.pitch(), to);
  if (dropout) {
    cpu::drop_rows(dropout, first, rows, channels, pools ? to : from, pools ? channels : dy.pitch(),
                   to, channels);
  }
  return {to, channels};
}

}  // namespace

void CpuBackend::batch_norm_train(const Tensor& x, const BatchNorm& norm, Activation act,
                                  const Dropout& dropout, const BatchNormSaved& saved,
                                  const Tensor& y) {
  if (saved.kinds() > 1) {
    for_kinds(
        x, saved, dropout,
        [&](int64_t first, int64_t count, const BatchNormSaved& of_kind, const Dropout& drop) {
          batch_norm_train(x.pictures(first, count), norm, act, drop, of_kind,
                           y.pictures(first, count));
        });
    return;
  }
  const int64_t channels = x.shape().c;
  const Chunks chunks(x.shape());
  float* means = scratch((2 * chunks.count + 1) * channels);
  float* squares = means + chunks.count * channels;
  float* scale = squares + chunks.count * channels;
  parallel_for(chunks.count, [&](int64_t i) {
    static thread_local cpu::ThreadScratch sums;
    chunk_statistics(chunks.length(i), channels, x.as<float>() + i * chunks.size * x.pitch(),
                     x.pitch(), sums.numbers(channels), means + i * channels,
                     squares + i * channels);
  });

  float *mean = saved.mean.as<float>(), *inv_std = saved.inv_std.as<float>();
  const double pixels = static_cast<double>(chunks.pixels);
  for_channels(channels, [&](int64_t first, int64_t count) {
    ChannelSums sums{}, about_centre{};
    for (int64_t i = 0; i < chunks.count; ++i) {
      const auto length = static_cast<double>(chunks.length(i));
      for (int64_t c = 0; c < count; ++c) sums[c] += length * means[i * channels + first + c];
    }
    for (int64_t i = 0; i < chunks.count; ++i) {
      const auto length = static_cast<double>(chunks.length(i));
      for (int64_t c = 0; c < count; ++c) {
        const double offset = means[i * channels + first + c] - sums[c] / pixels;
        about_centre[c] += squares[i * channels + first + c] + length * offset * offset;
      }
    }
    for (int64_t c = 0; c < count; ++c) {
      const double centre = sums[c] / pixels, variance = about_centre[c] / pixels;
      const double unbiased = chunks.pixels > 1 ? about_centre[c] / (pixels - 1) : variance;
      const double rate = 1.0 / std::sqrt(variance + norm.eps);
      mean[first + c] = static_cast<float>(centre);
      inv_std[first + c] = static_cast<float>(rate);
      scale[first + c] = static_cast<float>(norm.gamma.as<float>()[first + c] * rate);
      float &running_mean = norm.running_mean.as<float>()[first + c],
            &running_var = norm.running_var.as<float>()[first + c];
      running_mean =
          static_cast<float>((1 - norm.momentum) * running_mean + norm.momentum * centre);
      running_var =
          static_cast<float>((1 - norm.momentum) * running_var + norm.momentum * unbiased);
    }
  });
  const bool pools = pooled("batch norm", x.shape(), y.shape());
  (pools ? apply_averaged : apply)(act, dropout, x, mean, scale, norm.beta.as<float>(), y);
}

void CpuBackend::batch_norm_infer(const Tensor& x, const BatchNorm& norm, Activation act,
                                  const Tensor& y) {
  float* scale = scratch(x.shape().c);
  for (int64_t c = 0; c < x.shape().c; ++c) {
    scale[c] = static_cast<float>(norm.gamma.as<float>()[c] /
                                  std::sqrt(norm.running_var.as<float>()[c] + norm.eps));
  }
  apply(act, {}, x, norm.running_mean.as<float>(), scale, norm.beta.as<float>(), y);
}

void CpuBackend::batch_norm_backward(const Tensor& x, const Tensor& dy, const BatchNorm& norm,
                                     Activation act, const Dropout& dropout,
                                     const BatchNormSaved& saved, const Tensor& dx,
                                     const Tensor& dgamma, const Tensor& dbeta, Write write) {
  if (saved.kinds() > 1) {
    for_kinds(
        x, saved, dropout,
        [&](int64_t first, int64_t count, const BatchNormSaved& of_kind, const Dropout& drop) {
          batch_norm_backward(x.pictures(first, count), dy.pictures(first, count), norm, act, drop,
                              of_kind, dx.pictures(first, count), dgamma, dbeta,
                              first > 0 ? Write::accumulate : write);
        });
    return;
  }
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
    const int64_t first = i * chunks.size, rows = chunks.length(i);
    const GradientRows slopes = gradients_of_results(dropout, x, dy, first, rows);
    chunk_gradients(act, rows, channels, x.as<float>() + first * x.pitch(), x.pitch(), slopes.data,
                    slopes.pitch, mean, scale, beta, sums + i * channels, products + i * channels);
  });

  const double pixels = static_cast<double>(chunks.pixels);
  const bool accumulate = write == Write::accumulate;
  for_channels(channels, [&](int64_t first, int64_t count) {
    ChannelSums sum{}, product{};
    for (int64_t i = 0; i < chunks.count; ++i) {
      for (int64_t c = 0; c < count; ++c) {
        sum[c] += sums[i * channels + first + c];
        product[c] += products[i * channels + first + c];
      }
    }
    for (int64_t c = 0; c < count; ++c) {
      const double rate = inv_std[first + c], gradient = product[c] * rate;  // of gamma
      mean_dz[first + c] = static_cast<float>(sum[c] / pixels);
      slope[first + c] = static_cast<float>(rate * gradient / pixels);
      if (dgamma) {
        float& out = dgamma.as<float>()[first + c];
        out = static_cast<float>(gradient) + (accumulate ? out : 0.0f);
      }
      if (dbeta) {
        float& out = dbeta.as<float>()[first + c];
        out = static_cast<float>(sum[c]) + (accumulate ? out : 0.0f);
      }
    }
  });

  chunks.backwards([&](int64_t first, int64_t rows) {
    const GradientRows slopes = gradients_of_results(dropout, x, dy, first, rows);
    gradient_rows(act, rows, channels, x.as<float>() + first * x.pitch(), x.pitch(), slopes.data,
                  slopes.pitch, mean, scale, beta, mean_dz, slope,
                  dx.as<float>() + first * dx.pitch(), dx.pitch());
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
