// A training batch out of the photo set. photos: uint8 {P, H, W, 3}; color, gray: {N, h, w, 3}.
//   color[n, y, x] = pixel/255, gray[n, y, x] = luma8(pixel)/255 in all three channels, where pixel
//   is the photo's at row top + y and column left + x, or left + w - 1 - x when flipped, each
//   limited to the photo.
#pragma once

#include "kernels/backend.h"

namespace gan::reference {

// The BT.601 luma of an 8-bit pixel, rounded to 8 bits. Integers, because in floating point the
// exact halves would round differently from one device to the next.
constexpr int luma8(int red, int green, int blue) {
  return (299 * red + 587 * green + 114 * blue + 500) / 1000;
}

// T may also be bf16.
template <class T>
void assemble_batch(const Tensor& photos, const PhotoPick* picks, const Tensor& gray,
                    const Tensor& color);

}  // namespace gan::reference
