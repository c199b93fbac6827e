// A training batch out of the photo set. photos: uint8 {P, H, W, 3}; color, gray: {N, h, w, 3}.
//   color[n, y, x] = pixel/255 or, as ycbcr, (L, (blue - L)/(2 - 2*0.114), (red - L)/(2 - 2*0.299))
//   * (1, 2, 2) / 255 with L = 0.299 red + 0.587 green + 0.114 blue, unrounded;
//   gray[n, y, x] = luma8(pixel)/255 in all three channels, where pixel
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

// Channel c of an 8-bit pixel in the units of a colour space, as a quotient of integers that float32
// holds exactly: so one division rounds alike on every device.
struct Quotient {
  int numerator, denominator;
};
constexpr Quotient color_channel(ColorSpace space, int red, int green, int blue, int c) {
  if (space == ColorSpace::rgb) return {c == 0 ? red : c == 1 ? green : blue, 255};
  const int luma = 299 * red + 587 * green + 114 * blue;  // in thousandths
  if (c == 0) return {luma, 255000};
  return c == 1 ? Quotient{1000 * blue - luma, 225930}  // 1772 * 127.5
                : Quotient{1000 * red - luma, 178755};  // 1402 * 127.5
}

// T may also be bf16.
template <class T>
void assemble_batch(const Tensor& photos, const PhotoPick* picks, ColorSpace space,
                    const Tensor& gray, const Tensor& color);

}  // namespace gan::reference
