#include "kernels/reference/conv.h"

#include <algorithm>
#include <vector>

#include "engine/parallel.h"
#include "kernels/reference/activation.h"
#include "kernels/reference/view.h"

namespace gan::reference {
namespace {

void check_geometry(const char* operation, const ConvGeometry& geometry, const Tensor& x,
                    const Tensor& w, const Tensor& y) {
  const int64_t kernel = geometry.kernel;
  check_shape(operation, "w", w, {y.shape().c, kernel, kernel, x.shape().c});
  check_shape(operation, "the smaller side", y, conv_output(x.shape(), y.shape().c, geometry));
}

// Writes act(bias + sums) to the channels of one pixel.
template <class T>
void finish_pixel(const std::vector<double>& sums, const Epilogue& epilogue, T* pixel,
                  Write write) {
  const T* bias = epilogue.bias ? epilogue.bias.as<T>() : nullptr;
  for (size_t c = 0; c < sums.size(); ++c) {
    const double sum = sums[c] + (bias ? static_cast<double>(bias[c]) : 0.0);
    store(pixel[c], activate(epilogue.act, sum), write);
  }
}

}  // namespace

template <class T>
void convolve(const ConvGeometry& geometry, const Tensor& x, const Tensor& w,
              const Epilogue& epilogue, const Tensor& y, Write write) {
  check_geometry("convolution", geometry, x, w, y);
  if (epilogue.bias) check_shape("convolution", "bias", epilogue.bias, vector_shape(y.shape().c));
  const View<T> in(x), weight(w), out(y);
  const Shape xs = x.shape(), ys = y.shape();
  parallel_for(ys.n * ys.h, [&](int64_t row) {
    const int64_t n = row / ys.h, p = row % ys.h;
    std::vector<double> sums(static_cast<size_t>(ys.c));
    for (int64_t q = 0; q < ys.w; ++q) {
      std::fill(sums.begin(), sums.end(), 0.0);
      for (int r = 0; r < geometry.kernel; ++r) {
        const int64_t h = p * geometry.stride + r - geometry.padding;
        if (h < 0 || h >= xs.h) continue;
        for (int s = 0; s < geometry.kernel; ++s) {
          const int64_t wide = q * geometry.stride + s - geometry.padding;
          if (wide < 0 || wide >= xs.w) continue;
          const T* pixel = &in(n, h, wide, 0);
          for (int64_t k = 0; k < ys.c; ++k) {
            const T* tap = &weight(k, r, s, 0);
            double sum = 0;
            for (int64_t c = 0; c < xs.c; ++c) sum += static_cast<double>(pixel[c]) * tap[c];
            sums[k] += sum;
          }
        }
      }
      finish_pixel(sums, epilogue, &out(n, p, q, 0), write);
    }
  });
}

template <class T>
void convolve_data_gradient(const ConvGeometry& geometry, const Tensor& dy, const Tensor& w,
                            const Epilogue& epilogue, const Tensor& dx, Write write) {
  check_geometry("convolution data gradient", geometry, dx, w, dy);
  if (epilogue.bias) {
    check_shape("convolution data gradient", "bias", epilogue.bias, vector_shape(dx.shape().c));
  }
  const View<T> in(dy), weight(w), out(dx);
  const Shape xs = dx.shape(), ys = dy.shape();
  parallel_for(xs.n * xs.h, [&](int64_t row) {
    const int64_t n = row / xs.h, h = row % xs.h;
    std::vector<double> sums(static_cast<size_t>(xs.c));
    for (int64_t wide = 0; wide < xs.w; ++wide) {
      std::fill(sums.begin(), sums.end(), 0.0);
      for (int r = 0; r < geometry.kernel; ++r) {
        // The window that meets this pixel with its tap r starts at p*stride - padding = h - r.
        const int64_t down = h + geometry.padding - r;
        const int64_t p = down / geometry.stride;
        if (down < 0 || down % geometry.stride != 0 || p >= ys.h) continue;
        for (int s = 0; s < geometry.kernel; ++s) {
          const int64_t right = wide + geometry.padding - s;
          const int64_t q = right / geometry.stride;
          if (right < 0 || right % geometry.stride != 0 || q >= ys.w) continue;
          const T* pixel = &in(n, p, q, 0);
          for (int64_t k = 0; k < ys.c; ++k) {
            const double factor = pixel[k];
            const T* tap = &weight(k, r, s, 0);
            for (int64_t c = 0; c < xs.c; ++c) sums[c] += factor * tap[c];
          }
        }
      }
      finish_pixel(sums, epilogue, &out(n, h, wide, 0), write);
    }
  });
}

template <class T>
void convolve_weight_gradient(const ConvGeometry& geometry, const Tensor& x, const Tensor& dy,
                              const Tensor& dw, Write write) {
  check_geometry("convolution weight gradient", geometry, x, dw, dy);
  const View<T> in(x), slope(dy), out(dw);
  const Shape xs = x.shape(), ys = dy.shape();
  parallel_for(ys.c, [&](int64_t k) {
    std::vector<double> sums(static_cast<size_t>(xs.c));
    for (int r = 0; r < geometry.kernel; ++r) {
      for (int s = 0; s < geometry.kernel; ++s) {
        std::fill(sums.begin(), sums.end(), 0.0);
        for (int64_t n = 0; n < ys.n; ++n) {
          for (int64_t p = 0; p < ys.h; ++p) {
            const int64_t h = p * geometry.stride + r - geometry.padding;
            if (h < 0 || h >= xs.h) continue;
            for (int64_t q = 0; q < ys.w; ++q) {
              const int64_t wide = q * geometry.stride + s - geometry.padding;
              if (wide < 0 || wide >= xs.w) continue;
              const double factor = slope(n, p, q, k);
              const T* pixel = &in(n, h, wide, 0);
              for (int64_t c = 0; c < xs.c; ++c) sums[c] += factor * pixel[c];
            }
          }
        }
        for (int64_t c = 0; c < xs.c; ++c) store(out(k, r, s, c), sums[c], write);
      }
    }
  });
}

#define GAN_INSTANTIATE(T)                                                                      \
  template void convolve<T>(const ConvGeometry&, const Tensor&, const Tensor&, const Epilogue&, \
                            const Tensor&, Write);                                              \
  template void convolve_data_gradient<T>(const ConvGeometry&, const Tensor&, const Tensor&,    \
                                          const Epilogue&, const Tensor&, Write);               \
  template void convolve_weight_gradient<T>(const ConvGeometry&, const Tensor&, const Tensor&,  \
                                            const Tensor&, Write);
GAN_INSTANTIATE(float)
GAN_INSTANTIATE(double)
#undef GAN_INSTANTIATE

}  // namespace gan::reference
