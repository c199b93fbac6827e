// 2x2 pooling with stride 2. An odd last row or column is left out: it receives a gradient of 0.
//
// Bytes moved per float of the larger side: forward 5, backward 5 (average; 9 after an activation, 4 more when
// accumulating) and 9 (max: x is read to find the maxima again).
#include "kernels/cpu/pool.h"

#include <algorithm>
#include <bit>

#include "engine/parallel.h"
#include "kernels/cpu/activation.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/simd.h"

namespace gan {
namespace cpu {

GAN_SIMD void average_row(int64_t windows, int64_t channels, const float* top, const float* bottom,
                          int64_t pitch, float* __restrict y, int64_t y_pitch) {
  for (int64_t q = 0; q < windows; ++q, top += 2 * pitch, bottom += 2 * pitch, y += y_pitch)
    for (int64_t c = 0; c < channels; ++c)
      y[c] = 0.25f * ((top[c] + top[c + pitch]) + (bottom[c] + bottom[c + pitch]));
}

}  // namespace cpu

namespace {

// A row of the gradient of what became x by `act`.
GAN_SIMD void spread_row(Activation act, int64_t windows, int64_t channels,
                         const float* __restrict x, int64_t x_pitch, const float* __restrict dy,
                         int64_t dy_pitch, float* __restrict row, int64_t pitch, bool accumulate) {
  cpu::with_activation(act, [&]<Activation a>() GAN_INLINE_LAMBDA {
    for (int64_t q = 0; q < 2 * windows; ++q, x += x_pitch, row += pitch) {
      const float* const from = dy + q / 2 * dy_pitch;
      if (accumulate) {
        for (int64_t c = 0; c < channels; ++c) row[c] += cpu::slope_times<a>(x[c], 0.25f * from[c]);
      } else {
        for (int64_t c = 0; c < channels; ++c) row[c] = cpu::slope_times<a>(x[c], 0.25f * from[c]);
      }
    }
  });
}

GAN_SIMD void max_row(int64_t windows, int64_t channels, const float* top, const float* bottom,
                      int64_t pitch, float* __restrict y, int64_t y_pitch) {
  for (int64_t q = 0; q < windows; ++q, top += 2 * pitch, bottom += 2 * pitch, y += y_pitch) {
    for (int64_t c = 0; c < channels; ++c) {
      const float a = top[c], b = top[c + pitch], e = bottom[c], f = bottom[c + pitch];
      const float ab = b > a ? b : a, ef = f > e ? f : e;
      y[c] = ef > ab ? ef : ab;
    }
  }
}

// `value` or 0, without a branch, which would keep the loop from taking several numbers at once.
GAN_INLINE float if_true(bool condition, float value) {
  return std::bit_cast<float>(std::bit_cast<uint32_t>(value) & (0u - uint32_t{condition}));
}

// Adds dy, or writes it over, where the window's first maximum is; the other three get 0.
GAN_SIMD void max_gradient_row(int64_t windows, int64_t channels, const float* __restrict top,
                               const float* __restrict bottom, int64_t pitch,
                               const float* __restrict dy, int64_t dy_pitch, float* __restrict dtop,
                               float* __restrict dbottom, int64_t d_pitch, bool accumulate) {
  for (int64_t q = 0; q < windows; ++q) {
    GAN_INDEPENDENT
    for (int64_t c = 0; c < channels; ++c) {
      const float a = top[c], b = top[c + pitch], e = bottom[c], f = bottom[c + pitch];
      const float ab = b > a ? b : a, ef = f > e ? f : e;
      const bool below = ef > ab, right = (!below & (b > a)) | (below & (f > e));
      const float g = dy[c];
      const auto put = [accumulate](float& to, float part)
                           GAN_INLINE_LAMBDA { to = if_true(accumulate, to) + part; };
      put(dtop[c], if_true(!below & !right, g));
      put(dtop[c + d_pitch], if_true(!below & right, g));
      put(dbottom[c], if_true(below & !right, g));
      put(dbottom[c + d_pitch], if_true(below & right, g));
    }
    top += 2 * pitch, bottom += 2 * pitch, dy += dy_pitch;
    dtop += 2 * d_pitch, dbottom += 2 * d_pitch;
  }
}

float* pixel(const Tensor& t, int64_t n, int64_t h, int64_t w = 0) {
  return t.as<float>() + ((n * t.shape().h + h) * t.shape().w + w) * t.pitch();
}

void check_pool(const Shape& large, const Shape& small) {
  const Shape expected = halved(large);
  require(small == expected, "pooling ", large, " gives ", expected, ", not ", small);
}

// Zeroes what no window of picture n covers.
void clear_left_out(const Tensor& dx, int64_t n) {
  const Shape& s = dx.shape();
  for (int64_t h = 0; h < s.h; ++h) {
    const bool left_out_row = s.h % 2 != 0 && h == s.h - 1;
    if (!left_out_row && s.w % 2 == 0) continue;
    for (int64_t w = left_out_row ? 0 : s.w - 1; w < s.w; ++w)
      std::fill_n(pixel(dx, n, h, w), s.c, 0.0f);
  }
}

}  // namespace

void CpuBackend::avg_pool_forward(const Tensor& x, const Tensor& y) {
  const Shape& s = y.shape();
  check_pool(x.shape(), s);
  parallel_for(s.n * s.h, [&](int64_t i) {
    const int64_t n = i / s.h, p = i % s.h;
    cpu::average_row(s.w, s.c, pixel(x, n, 2 * p), pixel(x, n, 2 * p + 1), x.pitch(),
                     pixel(y, n, p), y.pitch());
  });
}

void CpuBackend::avg_pool_backward(Activation act, const Tensor& x, const Tensor& dy,
                                   const Tensor& dx, Write write) {
  const Shape& s = dy.shape();
  check_pool(dx.shape(), s);
  if (act != Activation::none) check_pool(x.shape(), s);
  const Tensor& activated = act == Activation::none ? dx : x;  // then it is not looked at
  const bool accumulate = write == Write::accumulate;
  parallel_for(s.n * s.h, [&](int64_t i) {
    const int64_t n = i / s.h, p = i % s.h;
    for (int64_t h = 2 * p; h < 2 * p + 2; ++h) {
      spread_row(act, s.w, s.c, pixel(activated, n, h), activated.pitch(), pixel(dy, n, p),
                 dy.pitch(), pixel(dx, n, h), dx.pitch(), accumulate);
    }
  });
  if (!accumulate)
    for (int64_t n = 0; n < s.n; ++n) clear_left_out(dx, n);
}

void CpuBackend::max_pool_forward(const Tensor& x, const Tensor& y) {
  const Shape& s = y.shape();
  check_pool(x.shape(), s);
  parallel_for(s.n * s.h, [&](int64_t i) {
    const int64_t n = i / s.h, p = i % s.h;
    max_row(s.w, s.c, pixel(x, n, 2 * p), pixel(x, n, 2 * p + 1), x.pitch(), pixel(y, n, p),
            y.pitch());
  });
}

void CpuBackend::max_pool_backward(const Tensor& x, const Tensor& dy, const Tensor& dx,
                                   Write write) {
  const Shape& s = dy.shape();
  check_pool(x.shape(), s);
  check_pool(dx.shape(), s);
  const bool accumulate = write == Write::accumulate;
  parallel_for(s.n * s.h, [&](int64_t i) {
    const int64_t n = i / s.h, p = i % s.h;
    max_gradient_row(s.w, s.c, pixel(x, n, 2 * p), pixel(x, n, 2 * p + 1), x.pitch(),
                     pixel(dy, n, p), dy.pitch(), pixel(dx, n, 2 * p), pixel(dx, n, 2 * p + 1),
                     dx.pitch(), accumulate);
  });
  if (!accumulate)
    for (int64_t n = 0; n < s.n; ++n) clear_left_out(dx, n);
}

}  // namespace gan
