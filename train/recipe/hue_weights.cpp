#include "train/recipe/hue_weights.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "train/image/color.h"

namespace gan {
namespace {

constexpr double kMost = 5;
constexpr double kFlatten = 0.35;  // 0: every pixel counts alike, 1: every colour does
constexpr double kNeutral = 2.5, kNeutralRadius = 10;  // factor; chroma in 8-bit levels
constexpr size_t kEvery = 7;  // pixels looked at: odd, so no column is missed

int cell_of(float chroma) {
  const int cell = static_cast<int>((chroma / 127.5f + 1) / 2 * kHueCells);
  return std::clamp(cell, 0, kHueCells - 1);
}

// The middle of a cell, in 8-bit levels.
double middle(int cell) {
  return ((cell + 0.5) / kHueCells * 2 - 1) * 127.5;
}

}  // namespace

std::vector<float> hue_weights(const PhotoSet& photos, bool balance) {
  constexpr size_t kCells = size_t{kHueCells} * kHueCells;
  std::vector<float> weights(kCells, 1);
  if (!balance) return weights;
  std::vector<double> share(kCells);
  const size_t pixels = photos.pixels.size() / 3;
  const double each = static_cast<double>(kEvery) / static_cast<double>(pixels);
  for (size_t i = 0; i < pixels; i += kEvery) {
    const uint8_t* p = &photos.pixels[3 * i];
    const YCbCr c = to_ycbcr(p[0], p[1], p[2]);
    share[static_cast<size_t>(cell_of(c.cb)) * kHueCells + cell_of(c.cr)] += each;
  }
  // A colour that never occurs would count infinitely: mix with an even spread.
  std::vector<double> raw(kCells);
  double mean = 0;
  for (size_t i = 0; i < kCells; ++i) {
    const double cb = middle(static_cast<int>(i / kHueCells));
    const double cr = middle(static_cast<int>(i % kHueCells));
    raw[i] = std::pow(0.9 * share[i] + 0.1 / kCells, -kFlatten);
    if (std::hypot(cb, cr) < kNeutralRadius) raw[i] *= kNeutral;
    mean += share[i] * raw[i];
  }
  double limited_mean = 0;
  for (size_t i = 0; i < kCells; ++i) {
    raw[i] = std::min(raw[i] / mean, kMost);
    limited_mean += share[i] * raw[i];
  }
  for (size_t i = 0; i < kCells; ++i) weights[i] = static_cast<float>(raw[i] / limited_mean);
  return weights;
}

}  // namespace gan
