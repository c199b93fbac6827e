// Colour spaces and colour differences. 8-bit values are 0..255 throughout.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "train/image/image.h"

namespace gan {

// Luma and chroma as JPEG files use them (ITU-R BT.601 weights, full range: ITU-T T.871). Chroma is
// centred: gray has cb = cr = 0, the range is -127.5 to 127.5.
struct YCbCr {
  float y = 0, cb = 0, cr = 0;
};

constexpr float kLumaRed = 0.299f, kLumaGreen = 0.587f, kLumaBlue = 0.114f;
constexpr float kCbScale = 2 * (1 - kLumaBlue);  // blue - luma = 1.772 cb
constexpr float kCrScale = 2 * (1 - kLumaRed);   // red - luma = 1.402 cr

constexpr float luma(float r, float g, float b) {
  return kLumaRed * r + kLumaGreen * g + kLumaBlue * b;
}
// Rounded to the nearest level.
constexpr uint8_t luma_u8(uint8_t r, uint8_t g, uint8_t b) {
  return static_cast<uint8_t>(luma(r, g, b) + 0.5f);
}
constexpr YCbCr to_ycbcr(float r, float g, float b) {
  const float y = luma(r, g, b);
  return {y, (b - y) / kCbScale, (r - y) / kCrScale};
}
// Red, green, blue; outside of 0..255 where the colour does not exist.
constexpr std::array<float, 3> to_rgb(const YCbCr& c) {
  const float r = c.y + kCrScale * c.cr, b = c.y + kCbScale * c.cb;
  return {r, (c.y - kLumaRed * r - kLumaBlue * b) / kLumaGreen, b};
}

// The colour with exactly this luma (clamped to 0..255) and, as far as it exists in 8-bit RGB, this
// chroma: where it does not, cb and cr shrink by the same factor, the largest that fits, so hue and
// luma stay. The luma of the rounded result differs from the wanted one by at most half a level.
// Chroma that is not finite counts as gray.
std::array<uint8_t, 3> recolor(float luma, float cb, float cr);

// recolor for `count` pixels at once, to interleaved RGB. luma is 0..max, as what is written; cb and
// cr are in the same unit and finite, at most 1e6 times max.
void recolor_row(const float* luma, const float* cb, const float* cr, int count, uint8_t* rgb);
void recolor_row(const float* luma, const float* cb, const float* cr, int count, uint16_t* rgb);

// CIELAB under D65: l 0..100, a green to red, b blue to yellow.
struct Lab {
  double l = 0, a = 0, b = 0;
  double chroma() const;
};

// From sRGB (IEC 61966-2-1). Equal r, g, b give a = b = 0 within 1e-4.
Lab to_lab(uint8_t r, uint8_t g, uint8_t b);
// Every pixel of an image with 3 channels.
std::vector<Lab> to_lab(const Image& image);

// The CIEDE2000 difference of two colours, with kL = kC = kH = 1 (Sharma, Wu, Dalal, "The CIEDE2000
// color-difference formula: implementation notes, supplementary test data, and mathematical
// observations", 2005).
double ciede2000(const Lab& x, const Lab& y);

// How colourful an image of 3 channels is (Hasler, Suesstrunk, "Measuring colourfulness in natural
// images", 2003): with rg = R - G and yb = (R + G)/2 - B,
// sqrt(var rg + var yb) + 0.3 sqrt((mean rg)^2 + (mean yb)^2). rg and yb keep their signs, as in
// the paper; some programs take absolute values first, and their numbers do not compare. 0 for gray;
// about 15 slight, 45 average, 100 extreme.
double colorfulness(const Image& image);

// A photo in gray as networks are given it: its luma, in three equal channels.
Image gray_of(const Image& photo);

}  // namespace gan
