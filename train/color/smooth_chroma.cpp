#include "train/color/smooth_chroma.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/error.h"
#include "kernels/cpu/simd.h"

namespace gan {
namespace {

float bump(float t) {
  const float b = std::max(0.0f, 1 - t * t);
  return b * b;
}

// Weighted sums for the pixels of one row.
struct RowSums {
  std::vector<float> weight, cb, cr;
  explicit RowSums(size_t size) : weight(size), cb(size), cr(size) {}
};

// `count` neighbours' colours, all as near, for as many pixels of luma `luma`.
GAN_SIMD void add_colors(const float* luma, const float* other_luma, const float* other_cb,
                         const float* other_cr, float nearness, int count, float* weight, float* cb,
                         float* cr) {
  constexpr float kScale = 1 / (kSmoothLevels * kSmoothLevels);
  GAN_INDEPENDENT
  for (int x = 0; x < count; ++x) {
    const float d = other_luma[x] - luma[x];
    const float b = 1 - d * d * kScale;
    const float alike = b > 0 ? b : 0;
    const float w = nearness * alike * alike;
    weight[x] += w;
    cb[x] += w * other_cb[x];
    cr[x] += w * other_cr[x];
  }
}

struct Planes {
  int width, height;
  std::vector<float> luma, cb, cr;
  ptrdiff_t at(int x, int y) const { return ptrdiff_t{y} * width + x; }
};

std::vector<float> finite(std::vector<float> values) {
  constexpr float kMost = 1e4f;
  for (float& v : values) v = std::isfinite(v) ? std::clamp(v, -kMost, kMost) : 0.0f;
  return values;
}

void add_neighbours(const Planes& planes, int y, RowSums& sums) {
  const int w = planes.width, r = kSmoothReach - 1;
  for (int v = std::max(0, y - r); v <= std::min(planes.height - 1, y + r); ++v) {
    for (int dx = -std::min(r, w - 1); dx <= std::min(r, w - 1); ++dx) {
      const auto dy = static_cast<float>(v - y);
      const float nearness =
          bump(std::hypot(static_cast<float>(dx), dy) / static_cast<float>(kSmoothReach));
      if (nearness <= 0) continue;
      const int from = std::max(0, -dx), count = w - std::abs(dx);
      const ptrdiff_t other = planes.at(from + dx, v);
      add_colors(&planes.luma[planes.at(from, y)], &planes.luma[other], &planes.cb[other],
                 &planes.cr[other], nearness, count, &sums.weight[from], &sums.cb[from],
                 &sums.cr[from]);
    }
  }
}

}  // namespace

ChromaPlane smoothed_chroma(const ChromaPlane& chroma, const Image& photo) {
  const int width = chroma.width, height = chroma.height;
  require(width > 0 && height > 0 && photo.width % width == 0 &&
              photo.width / width * height == photo.height,
          "a plane of ", width, " x ", height, " is no fraction of a photo of ", photo.width, " x ",
          photo.height);
  const Image luma = shrunk_luma(to_photo(photo), width, height);
  const Planes planes{width,
                      height,
                      {luma.pixels.begin(), luma.pixels.end()},
                      finite(chroma.cb),
                      finite(chroma.cr)};
  ChromaPlane out{width, height, planes.cb, planes.cr};
  double before = 0, after = 0;
  for (int y = 0; y < height; ++y) {
    RowSums sums(static_cast<size_t>(width));
    add_neighbours(planes, y, sums);
    for (int x = 0; x < width; ++x) {
      float &cb = out.cb[planes.at(x, y)], &cr = out.cr[planes.at(x, y)];
      const float own = std::hypot(cb, cr);
      const float mean_cb = sums.cb[x] / sums.weight[x], mean_cr = sums.cr[x] / sums.weight[x];
      const float mean = std::hypot(mean_cb, mean_cr);
      const float shrink = mean > own ? own / mean : 1;
      cb = shrink * mean_cb;
      cr = shrink * mean_cr;
      before += own;
      after += shrink * mean;
    }
  }
  if (after > 0) {
    const float gain = std::min(kMostSmoothGain, static_cast<float>(before / after));
    for (float& v : out.cb) v *= gain;
    for (float& v : out.cr) v *= gain;
  }
  return out;
}

}  // namespace gan
