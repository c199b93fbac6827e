// Upsampling to twice the extents, bilinear; the formula is in reference/upsample.h. Neighbours
// outside of the picture are its border again, in both directions: dx of a border pixel gets the
// slope of the border of dy twice.
//
// A task makes two rows of the large picture forward, one of the small backward, without anything
// in between: what a pixel shares with its neighbours comes from the first-level cache.
//
// Bytes moved per float of the smaller side: 20 each way, 24 when accumulating.
#include "engine/parallel.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/simd.h"

namespace gan {
namespace {

float* row_of(const Tensor& t, int64_t n, int64_t h) {
  return t.as<float>() + (n * t.shape().h + h) * t.shape().w * t.pitch();
}

int64_t limit(int64_t at, int64_t extent) {
  return at < 0 ? 0 : at < extent ? at : extent - 1;
}

// Two rows of y from the row of x that both are nearest to and the rows above and below it.
GAN_SIMD void upsample_rows(int64_t width, int64_t channels, const float* above, const float* x,
                            const float* below, int64_t pitch, float* __restrict top,
                            float* __restrict bottom, int64_t y_pitch) {
  for (int64_t q = 0; q < width; ++q) {
    const int64_t left = q > 0 ? -pitch : 0, right = q < width - 1 ? pitch : 0;
    GAN_INDEPENDENT
    for (int64_t c = 0; c < channels; ++c) {
      const float near_left = 0.75f * x[c + left], near = 0.75f * x[c];
      const float near_right = 0.75f * x[c + right];
      const float up = 0.75f * (near + 0.25f * above[c]);
      const float down = 0.75f * (near + 0.25f * below[c]);
      top[c] = up + 0.25f * (near_left + 0.25f * above[c + left]);
      top[c + y_pitch] = up + 0.25f * (near_right + 0.25f * above[c + right]);
      bottom[c] = down + 0.25f * (near_left + 0.25f * below[c + left]);
      bottom[c + y_pitch] = down + 0.25f * (near_right + 0.25f * below[c + right]);
    }
    above += pitch, x += pitch, below += pitch;
    top += 2 * y_pitch, bottom += 2 * y_pitch;
  }
}

// Number i of four rows of dy, weighted down the column.
GAN_INLINE float blend(const float* above, const float* top, const float* bottom,
                       const float* below, int64_t i) {
  return 0.25f * (above[i] + below[i]) + 0.75f * (top[i] + bottom[i]);
}

// One row of dx from four rows of dy.
template <Write write>
GAN_INLINE void gather(int64_t width, int64_t channels, const float* above, const float* top,
                       const float* bottom, const float* below, int64_t pitch, float* __restrict dx,
                       int64_t dx_pitch) {
  for (int64_t q = 0; q < width; ++q) {
    const int64_t left = q > 0 ? -pitch : 0, right = q < width - 1 ? 2 * pitch : pitch;
    GAN_INDEPENDENT
    for (int64_t c = 0; c < channels; ++c) {
      const float outer =
          blend(above, top, bottom, below, c + left) + blend(above, top, bottom, below, c + right);
      const float inner =
          blend(above, top, bottom, below, c) + blend(above, top, bottom, below, c + pitch);
      const float sum = 0.25f * outer + 0.75f * inner;
      dx[c] = write == Write::accumulate ? dx[c] + sum : sum;
    }
    above += 2 * pitch, top += 2 * pitch, bottom += 2 * pitch, below += 2 * pitch;
    dx += dx_pitch;
  }
}

GAN_SIMD void gather_row(int64_t width, int64_t channels, const float* above, const float* top,
                         const float* bottom, const float* below, int64_t pitch, float* dx,
                         int64_t dx_pitch, Write write) {
  if (write == Write::accumulate) {
    gather<Write::accumulate>(width, channels, above, top, bottom, below, pitch, dx, dx_pitch);
  } else {
    gather<Write::overwrite>(width, channels, above, top, bottom, below, pitch, dx, dx_pitch);
  }
}

void check_doubled(const Shape& small, const Shape& large) {
  const Shape expected = {small.n, 2 * small.h, 2 * small.w, small.c};
  require(large == expected, "upsampling ", small, " gives ", expected, ", not ", large);
}

}  // namespace

void CpuBackend::upsample_forward(const Tensor& x, const Tensor& y) {
  const Shape& s = x.shape();
  check_doubled(s, y.shape());
  parallel_for(s.n * s.h, [&](int64_t i) {
    const int64_t n = i / s.h, p = i % s.h;
    upsample_rows(s.w, s.c, row_of(x, n, limit(p - 1, s.h)), row_of(x, n, p),
                  row_of(x, n, limit(p + 1, s.h)), x.pitch(), row_of(y, n, 2 * p),
                  row_of(y, n, 2 * p + 1), y.pitch());
  });
}

void CpuBackend::upsample_backward(const Tensor& dy, const Tensor& dx, Write write) {
  const Shape& s = dx.shape();
  check_doubled(s, dy.shape());
  parallel_for(s.n * s.h, [&](int64_t i) {
    const int64_t n = i / s.h, p = i % s.h;
    gather_row(s.w, s.c, row_of(dy, n, limit(2 * p - 1, 2 * s.h)), row_of(dy, n, 2 * p),
               row_of(dy, n, 2 * p + 1), row_of(dy, n, limit(2 * p + 2, 2 * s.h)), dy.pitch(),
               row_of(dx, n, p), dx.pitch(), write);
  });
}

}  // namespace gan
