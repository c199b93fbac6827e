#include "train/color/smooth_chroma.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/error.h"
#include "train/color/color.h"

namespace gan {
namespace {

constexpr double kSpread = 8;           // s, in pixels of the photo
constexpr double kLevelSpread = 12.75;  // r, in levels of luma
constexpr int kLevels = 256;

// exp(-i^2 / 2 spread^2) for i = 0..count - 1.
std::vector<float> bell(double spread, int count) {
  std::vector<float> weights;
  for (int i = 0; i < count; ++i)
    weights.push_back(static_cast<float>(std::exp(-i * i / (2 * spread * spread))));
  return weights;
}

// The photo's luma in the plane's resolution, in whole levels.
std::vector<uint8_t> luma_of(const Image& photo, int width, int height) {
  const int by = photo.width / width;
  std::vector<uint8_t> levels(static_cast<size_t>(width) * height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      int sum = 0;
      for (int v = 0; v < by; ++v) {
        for (int u = 0; u < by; ++u) {
          const uint8_t* p = photo.at(by * x + u, by * y + v);
          sum += photo.channels >= 3 ? luma_u8(p[0], p[1], p[2]) : p[0];
        }
      }
      levels[static_cast<size_t>(y) * width + x] =
          static_cast<uint8_t>((sum + by * by / 2) / (by * by));
    }
  }
  return levels;
}

}  // namespace

ChromaPlane smoothed_chroma(const ChromaPlane& plane, const Image& photo) {
  const int width = plane.width, height = plane.height;
  require(width > 0 && height > 0 && photo.width % width == 0 &&
              photo.width / width * height == photo.height,
          "a plane of ", width, " x ", height, " is no fraction of a photo of ", photo.width, " x ",
          photo.height);
  const std::vector<uint8_t> luma = luma_of(photo, width, height);
  const double spread = kSpread * width / photo.width;
  const int radius = static_cast<int>(std::ceil(2 * spread));
  const std::vector<float> near = bell(spread, radius + 1), alike = bell(kLevelSpread, kLevels);

  std::vector<float> strengths;
  for (size_t i = 0; i < plane.cb.size(); ++i)
    strengths.push_back(std::hypot(plane.cb[i], plane.cr[i]));

  ChromaPlane out = plane;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const size_t at = static_cast<size_t>(y) * width + x;
      float weights = 0, cb = 0, cr = 0, strength = 0;
      for (int v = std::max(0, y - radius); v <= std::min(height - 1, y + radius); ++v) {
        for (int u = std::max(0, x - radius); u <= std::min(width - 1, x + radius); ++u) {
          const size_t other = static_cast<size_t>(v) * width + u;
          const float weight = near[std::abs(u - x)] * near[std::abs(v - y)] *
                               alike[std::abs(luma[other] - luma[at])];
          weights += weight;
          cb += weight * plane.cb[other];
          cr += weight * plane.cr[other];
          strength += weight * strengths[other];
        }
      }
      const float mean = std::hypot(cb, cr);  // times weights, which are 1 or more
      const float wanted = std::min(strengths[at], strength / weights);
      out.cb[at] = mean > 0 ? cb / mean * wanted : 0;
      out.cr[at] = mean > 0 ? cr / mean * wanted : 0;
    }
  }
  return out;
}

}  // namespace gan
