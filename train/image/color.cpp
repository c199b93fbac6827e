#include "train/image/color.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "engine/error.h"
#include "kernels/cpu/simd.h"

namespace gan {
namespace {

constexpr double kPi = std::numbers::pi;

// Light per 8-bit value, 0..1.
const std::array<double, 256>& linear_light() {
  static const auto table = [] {
    std::array<double, 256> t{};
    for (int i = 0; i < 256; ++i) {
      const double v = i / 255.0;
      t[static_cast<size_t>(i)] = v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
    }
    return t;
  }();
  return table;
}

// CIE 15: the cube root, and a straight line near black.
double lab_curve(double t) {
  constexpr double kDelta = 6.0 / 29.0;
  return t > kDelta * kDelta * kDelta ? std::cbrt(t) : t / (3 * kDelta * kDelta) + 4.0 / 29.0;
}

struct Rgb {
  float red, green, blue;
};

// The colour of recolor() before rounding.
GAN_INLINE Rgb in_gamut(float luma, float cb, float cr, float max) {
  const float y = std::min(std::max(luma, 0.0f), max);
  // What chroma adds to gray. The luma of that is 0, so one channel rises and one falls, or none.
  const float red = kCrScale * cr, blue = kCbScale * cb;
  const float green = -(kLumaRed * red + kLumaBlue * blue) / kLumaGreen;
  const float rise = std::max(std::max(red, green), blue);
  const float fall = -std::min(std::min(red, green), blue);
  constexpr float kTiny = 1e-20f;
  const float scale =
      std::min(1.0f, std::min((max - y) / std::max(rise, kTiny), y / std::max(fall, kTiny)));
  return {y + scale * red, y + scale * green, y + scale * blue};
}

// Each channel is rounded by at most 1/2, and the luma weights sum to 1. Rounding of the sums above
// may have left the range by a little.
template <class T>
GAN_INLINE T rounded(float value, float max) {
  return static_cast<T>(static_cast<int>(std::min(std::max(value + 0.5f, 0.0f), max)));
}

template <class T>
GAN_INLINE void recolor_pixels(const float* luma, const float* cb, const float* cr, int count,
                               T* rgb) {
  constexpr float kMax = std::numeric_limits<T>::max();
  GAN_INDEPENDENT
  for (int i = 0; i < count; ++i) {
    const Rgb color = in_gamut(luma[i], cb[i], cr[i], kMax);
    rgb[3 * i] = rounded<T>(color.red, kMax);
    rgb[3 * i + 1] = rounded<T>(color.green, kMax);
    rgb[3 * i + 2] = rounded<T>(color.blue, kMax);
  }
}

double radians(double degrees) {
  return degrees * kPi / 180;
}

// The angle of (a, b), 0..2 pi; 0 for no colour.
double hue(double a, double b) {
  if (a == 0 && b == 0) return 0;
  const double angle = std::atan2(b, a);
  return angle < 0 ? angle + 2 * kPi : angle;
}

double power7(double v) {
  const double cube = v * v * v;
  return cube * cube * v;
}

// How strongly chroma c counts as saturated: 0..1, half at 25.
double saturation_weight(double c) {
  return std::sqrt(power7(c) / (power7(c) + power7(25)));
}

}  // namespace

std::array<uint8_t, 3> recolor(float luma, float cb, float cr) {
  // Beyond these no chroma means anything, and sums would overflow.
  constexpr float kMost = 1e30f;
  if (!(std::abs(cb) <= kMost && std::abs(cr) <= kMost)) cb = cr = 0;
  const Rgb color = in_gamut(luma, cb, cr, 255);
  return {rounded<uint8_t>(color.red, 255), rounded<uint8_t>(color.green, 255),
          rounded<uint8_t>(color.blue, 255)};
}

GAN_SIMD void recolor_row(const float* luma, const float* cb, const float* cr, int count,
                          uint8_t* rgb) {
  recolor_pixels(luma, cb, cr, count, rgb);
}

GAN_SIMD void recolor_row(const float* luma, const float* cb, const float* cr, int count,
                          uint16_t* rgb) {
  recolor_pixels(luma, cb, cr, count, rgb);
}

double Lab::chroma() const {
  return std::hypot(a, b);
}

Lab to_lab(uint8_t r8, uint8_t g8, uint8_t b8) {
  const auto& light = linear_light();
  const double r = light[r8], g = light[g8], b = light[b8];
  // sRGB primaries to CIE XYZ with D65 (Lindbloom), divided by the white point.
  const double x = (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047;
  const double y = 0.2126729 * r + 0.7151522 * g + 0.0721750 * b;
  const double z = (0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883;
  const double fx = lab_curve(x), fy = lab_curve(y), fz = lab_curve(z);
  return {116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)};
}

std::vector<Lab> to_lab(const Image& image) {
  require_valid(image);
  require(image.channels == 3, "CIELAB needs RGB, got ", image.channels, " channels");
  std::vector<Lab> result(image.pixels.size() / 3);
  const uint8_t* p = image.pixels.data();
  for (Lab& lab : result) {
    lab = to_lab(p[0], p[1], p[2]);
    p += 3;
  }
  return result;
}

double ciede2000(const Lab& x, const Lab& y) {
  // Equation numbers are those of the paper.
  const double saturation = saturation_weight((x.chroma() + y.chroma()) / 2);
  const double stretch = 1 + 0.5 * (1 - saturation);  // (4), (5): a' = (1 + G) a
  const double a1 = stretch * x.a, a2 = stretch * y.a;
  const double c1 = std::hypot(a1, x.b), c2 = std::hypot(a2, y.b);  // (6)
  const double h1 = hue(a1, x.b), h2 = hue(a2, y.b);                // (7)
  const bool both_coloured = c1 * c2 != 0;

  double dh = 0;  // (10)
  if (both_coloured) {
    dh = h2 - h1;
    if (dh > kPi) dh -= 2 * kPi;
    if (dh < -kPi) dh += 2 * kPi;
  }
  const double d_lightness = y.l - x.l;                            // (8)
  const double d_chroma = c2 - c1;                                 // (9)
  const double d_hue = 2 * std::sqrt(c1 * c2) * std::sin(dh / 2);  // (11)

  const double lightness = (x.l + y.l) / 2;  // (12)
  const double chroma = (c1 + c2) / 2;       // (13)
  double mean_hue = h1 + h2;                 // (14)
  if (both_coloured) {
    if (std::abs(h1 - h2) > kPi) mean_hue += mean_hue < 2 * kPi ? 2 * kPi : -2 * kPi;
    mean_hue /= 2;
  }
  const double t = 1 - 0.17 * std::cos(mean_hue - radians(30)) + 0.24 * std::cos(2 * mean_hue) +
                   0.32 * std::cos(3 * mean_hue + radians(6)) -
                   0.20 * std::cos(4 * mean_hue - radians(63));  // (15)
  const double from_blue = (mean_hue - radians(275)) / radians(25);
  const double turn = radians(30) * std::exp(-from_blue * from_blue);  // (16)
  const double from_middle = (lightness - 50) * (lightness - 50);
  const double scale_lightness = 1 + 0.015 * from_middle / std::sqrt(20 + from_middle);  // (18)
  const double scale_chroma = 1 + 0.045 * chroma;                                        // (19)
  const double scale_hue = 1 + 0.015 * chroma * t;                                       // (20)
  const double rotation = -2 * saturation_weight(chroma) * std::sin(2 * turn);  // (17), (21)

  const double l = d_lightness / scale_lightness;
  const double c = d_chroma / scale_chroma;
  const double h = d_hue / scale_hue;
  // Rounding may leave a tiny negative number for equal colours.
  return std::sqrt(std::max(0.0, l * l + c * c + h * h + rotation * c * h));  // (22)
}

double colorfulness(const Image& image) {
  require_valid(image);
  require(image.channels == 3, "colourfulness needs RGB, got ", image.channels, " channels");
  // Twice yb is an integer, so all sums are exact.
  int64_t sum_rg = 0, sum_rg2 = 0, sum_yb = 0, sum_yb2 = 0;
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    const int r = image.pixels[i], g = image.pixels[i + 1], b = image.pixels[i + 2];
    const int rg = r - g, yb = r + g - 2 * b;
    sum_rg += rg;
    sum_rg2 += rg * rg;
    sum_yb += yb;
    sum_yb2 += yb * yb;
  }
  const auto n = static_cast<double>(image.pixels.size() / 3);
  const double mean_rg = static_cast<double>(sum_rg) / n;
  const double mean_yb = static_cast<double>(sum_yb) / n / 2;
  const double variance = static_cast<double>(sum_rg2) / n - mean_rg * mean_rg +
                          static_cast<double>(sum_yb2) / n / 4 - mean_yb * mean_yb;
  return std::sqrt(std::max(0.0, variance)) + 0.3 * std::hypot(mean_rg, mean_yb);
}

Image gray_of(const Image& photo) {
  Image gray(photo.width, photo.height, 3);
  for (int y = 0; y < photo.height; ++y) {
    for (int x = 0; x < photo.width; ++x) {
      const uint8_t* p = photo.at(x, y);
      std::fill_n(gray.at(x, y), 3, luma_u8(p[0], p[1], p[2]));
    }
  }
  return gray;
}

}  // namespace gan
