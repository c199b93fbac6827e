#include "kernels/reference/augment.h"

#include "kernels/reference/view.h"

namespace gan::reference {
namespace {

bool within(int64_t at, int64_t begin, int64_t count) {
  return at >= begin && at < begin + count;
}

bool is_cut(const Warp& warp, int64_t h, int64_t w) {
  return within(h, warp.cut_top, warp.cut_size) && within(w, warp.cut_left, warp.cut_size);
}

}  // namespace

template <class T>
void augment_forward(const Tensor& x, const Warp* warps, const Tensor& y) {
  const Shape shape = x.shape();
  check_shape("augmentation", "y", y, shape);
  const View<T> in(x), out(y);
  for (int64_t n = 0; n < shape.n; ++n) {
    const Warp& warp = warps[n];
    for (int64_t h = 0; h < shape.h; ++h) {
      for (int64_t w = 0; w < shape.w; ++w) {
        const int64_t i = h - warp.down, j = (warp.flip ? shape.w - 1 - w : w) - warp.right;
        const bool seen = within(i, 0, shape.h) && within(j, 0, shape.w) && !is_cut(warp, h, w);
        for (int64_t c = 0; c < shape.c; ++c) out(n, h, w, c) = seen ? in(n, i, j, c) : T(0);
      }
    }
  }
}

template <class T>
void augment_backward(const Tensor& dy, const Warp* warps, const Tensor& dx, Write write) {
  const Shape shape = dx.shape();
  check_shape("augmentation backward", "dy", dy, shape);
  const View<T> slope(dy), out(dx);
  for (int64_t n = 0; n < shape.n; ++n) {
    const Warp& warp = warps[n];
    for (int64_t i = 0; i < shape.h; ++i) {
      for (int64_t j = 0; j < shape.w; ++j) {
        const int64_t h = i + warp.down, moved = j + warp.right;
        const int64_t w = warp.flip ? shape.w - 1 - moved : moved;
        const bool seen = within(h, 0, shape.h) && within(w, 0, shape.w) && !is_cut(warp, h, w);
        for (int64_t c = 0; c < shape.c; ++c) {
          store(out(n, i, j, c), seen ? static_cast<double>(slope(n, h, w, c)) : 0.0, write);
        }
      }
    }
  }
}

#define GAN_INSTANTIATE(T)                                                     \
  template void augment_forward<T>(const Tensor&, const Warp*, const Tensor&); \
  template void augment_backward<T>(const Tensor&, const Warp*, const Tensor&, Write);
GAN_INSTANTIATE(float)
GAN_INSTANTIATE(double)
#undef GAN_INSTANTIATE

}  // namespace gan::reference
