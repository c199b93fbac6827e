#include "kernels/reference/batch.h"

#include <algorithm>

#include "kernels/reference/view.h"

namespace gan::reference {
template <class T>
void assemble_batch(const Tensor& photos, const PhotoPick* picks, ColorSpace space,
                    const Tensor& gray, const Tensor& color) {
  const Shape from = photos.shape(), to = color.shape();
  check_shape("assemble_batch", "photos", photos, {from.n, from.h, from.w, 3});
  check_shape("assemble_batch", "color", color, {to.n, to.h, to.w, 3});
  check_shape("assemble_batch", "gray", gray, to);
  const View<uint8_t> photo(photos);
  const View<T> gray_out(gray), color_out(color);
  for (int64_t n = 0; n < to.n; ++n) {
    const PhotoPick& pick = picks[n];
    require(pick.photo >= 0 && pick.photo < from.n, "assemble_batch: photo ", pick.photo, " of ",
            from.n);
    for (int64_t y = 0; y < to.h; ++y) {
      for (int64_t x = 0; x < to.w; ++x) {
        const int64_t column = pick.left + (pick.flip ? to.w - 1 - x : x);
        const uint8_t* pixel = &photo(pick.photo, std::clamp<int64_t>(pick.top + y, 0, from.h - 1),
                                      std::clamp<int64_t>(column, 0, from.w - 1), 0);
        const int luma = luma8(pixel[0], pixel[1], pixel[2]);
        for (int c = 0; c < 3; ++c) {
          const Quotient value = color_channel(space, pixel[0], pixel[1], pixel[2], c);
          color_out(n, y, x, c) =
              static_cast<T>(static_cast<double>(value.numerator) / value.denominator);
          gray_out(n, y, x, c) = static_cast<T>(luma / 255.0);
        }
      }
    }
  }
}

#define GAN_INSTANTIATE(T)                                                                    \
  template void assemble_batch<T>(const Tensor&, const PhotoPick*, ColorSpace, const Tensor&, \
                                  const Tensor&);
GAN_INSTANTIATE(float)
GAN_INSTANTIATE(double)
GAN_INSTANTIATE(bf16)
#undef GAN_INSTANTIATE

}  // namespace gan::reference
