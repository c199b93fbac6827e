// 2x2 pooling with stride 2. An odd last row or column is left out: it receives a gradient of 0.
//
// Bytes moved per float of the larger side: forward 5, backward 5 (average; 9 when accumulating)
// and 9 (max: x is read to find the maxima again).
#include <algorithm>

#include "engine/parallel.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/simd.h"

namespace gan {
namespace {

// Two neighbouring rows of the large side and one of the small side; `pitch` of the large side.
GAN_SIMD void average_row(int64_t windows, int64_t channels, const float* top, const float* bottom,
                          int64_t pitch, float* __restrict y, int64_t y_pitch) {
  for (int64_t q = 0; q < windows; ++q, top += 2 * pitch, bottom += 2 * pitch, y += y_pitch)
    for (int64_t c = 0; c < channels; ++c)
      y[c] = 0.25f * ((top[c] + top[c + pitch]) + (bottom[c] + bottom[c + pitch]));
}

GAN_SIMD void spread_row(int64_t windows, int64_t channels, const float* dy, int64_t dy_pitch,
                         float* __restrict row, int64_t pitch, bool accumulate) {
  for (int64_t q = 0; q < windows; ++q, dy += dy_pitch, row += 2 * pitch) {
    if (accumulate) {
      for (int64_t c = 0; c < channels; ++c) row[c] += 0.25f * dy[c];
      for (int64_t c = 0; c < channels; ++c) row[c + pitch] += 0.25f * dy[c];
    } else {
      for (int64_t c = 0; c < channels; ++c) row[c] = 0.25f * dy[c];
      for (int64_t c = 0; c < channels; ++c) row[c + pitch] = 0.25f * dy[c];
    }
  }
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

// Adds dy, or writes it over, where the window's first maximum is; the other three get 0.
GAN_SIMD void max_gradient_row(int64_t windows, int64_t channels, const float* __restrict top,
                               const float* __restrict bottom, int64_t pitch,
                               const float* __restrict dy, int64_t dy_pitch, float* __restrict dtop,
                               float* __restrict dbottom, int64_t d_pitch, bool accumulate) {
  for (int64_t q = 0; q < windows; ++q) {
    for (int64_t c = 0; c < channels; ++c) {
      const float a = top[c], b = top[c + pitch], e = bottom[c], f = bottom[c + pitch];
      const float ab = b > a ? b : a, ef = f > e ? f : e, g = dy[c];
      const float g_top = ef > ab ? 0.0f : g, g_bottom = ef > ab ? g : 0.0f;
      const float g_b = b > a ? g_top : 0.0f, g_a = b > a ? 0.0f : g_top;
      const float g_f = f > e ? g_bottom : 0.0f, g_e = f > e ? 0.0f : g_bottom;
      dtop[c] = (accumulate ? dtop[c] : 0.0f) + g_a;
      dtop[c + d_pitch] = (accumulate ? dtop[c + d_pitch] : 0.0f) + g_b;
      dbottom[c] = (accumulate ? dbottom[c] : 0.0f) + g_e;
      dbottom[c + d_pitch] = (accumulate ? dbottom[c + d_pitch] : 0.0f) + g_f;
    }
    top += 2 * pitch, bottom += 2 * pitch, dy += dy_pitch;
    dtop += 2 * d_pitch, dbottom += 2 * d_pitch;
  }
}

float* pixel(const Tensor& t, int64_t n, int64_t h, int64_t w = 0) {
  return t.as<float>() + ((n * t.shape().h + h) * t.shape().w + w) * t.pitch();
}

void check_pool(const Shape& large, const Shape& small) {
  const Shape expected = {large.n, large.h / 2, large.w / 2, large.c};
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
    average_row(s.w, s.c, pixel(x, n, 2 * p), pixel(x, n, 2 * p + 1), x.pitch(), pixel(y, n, p),
                y.pitch());
  });
}

void CpuBackend::avg_pool_backward(const Tensor& dy, const Tensor& dx, Write write) {
  const Shape& s = dy.shape();
  check_pool(dx.shape(), s);
  const bool accumulate = write == Write::accumulate;
  parallel_for(s.n * s.h, [&](int64_t i) {
    const int64_t n = i / s.h, p = i % s.h;
    for (int64_t h = 2 * p; h < 2 * p + 2; ++h)
      spread_row(s.w, s.c, pixel(dy, n, p), dy.pitch(), pixel(dx, n, h), dx.pitch(), accumulate);
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
