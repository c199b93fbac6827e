// Chroma smoothed along the photo's edges: against the formula, and what it is for.
#include <catch2/catch.hpp>
#include <cmath>

#include "engine/error.h"
#include "engine/random.h"
#include "train/color/smooth_chroma.h"

namespace gan {
namespace {

ChromaPlane plane_of(int width, int height, float cb, float cr) {
  const size_t size = static_cast<size_t>(width) * height;
  return {width, height, std::vector<float>(size, cb), std::vector<float>(size, cr)};
}

Image gray_photo(int width, int height, uint8_t level) {
  Image photo(width, height, 1);
  std::fill(photo.pixels.begin(), photo.pixels.end(), level);
  return photo;
}

}  // namespace

TEST_CASE("smoothed chroma is what its formula says", "[color]") {
  Random random(5);
  for (const int by : {1, 2}) {
    const int width = 11, height = 7;
    Image photo(by * width, by * height, 1);
    for (int y = 0; y < photo.height; ++y)
      for (int x = 0; x < photo.width; ++x)  // blocks of one level: their mean needs no rounding
        *photo.at(x, y) = static_cast<uint8_t>((x / by * 37 + y / by * 101) % 256);
    ChromaPlane plane = plane_of(width, height, 0, 0);
    for (float& value : plane.cb) value = 100 * random.uniform() - 50;
    for (float& value : plane.cr) value = 100 * random.uniform() - 50;
    const ChromaPlane smooth = smoothed_chroma(plane, photo);
    const double s = 8.0 / by;
    const int radius = static_cast<int>(std::ceil(2 * s));
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        double weights = 0, cb = 0, cr = 0, strength = 0;
        for (int v = 0; v < height; ++v) {
          for (int u = 0; u < width; ++u) {
            if (std::abs(u - x) > radius || std::abs(v - y) > radius) continue;
            const double d = *photo.at(by * u, by * v) - *photo.at(by * x, by * y);
            const double weight = std::exp(-((u - x) * (u - x) + (v - y) * (v - y)) / (2 * s * s)) *
                                  std::exp(-d * d / (2 * 12.75 * 12.75));
            weights += weight;
            const double other_cb = plane.cb[v * width + u], other_cr = plane.cr[v * width + u];
            cb += weight * other_cb;
            cr += weight * other_cr;
            strength += weight * std::hypot(other_cb, other_cr);
          }
        }
        const int at = y * width + x;
        const double own = std::hypot(plane.cb[at], plane.cr[at]), mean = std::hypot(cb, cr);
        const double wanted = std::min(own, strength / weights);
        CHECK(smooth.cb[at] == Approx(cb / mean * wanted).margin(1e-3));
        CHECK(smooth.cr[at] == Approx(cr / mean * wanted).margin(1e-3));
      }
    }
  }
}

TEST_CASE("smoothing keeps one colour, evens out spots and stops at edges", "[color]") {
  const ChromaPlane one = smoothed_chroma(plane_of(16, 9, 20, -30), gray_photo(32, 18, 90));
  for (const float value : one.cb) CHECK(value == Approx(20));
  for (const float value : one.cr) CHECK(value == Approx(-30));

  ChromaPlane spot = plane_of(32, 32, 0, 0);
  spot.cr[16 * 32 + 16] = 100;
  const ChromaPlane even = smoothed_chroma(spot, gray_photo(64, 64, 90));
  CHECK(even.cr[16 * 32 + 16] < 5);
  CHECK(even.cr[16 * 32 + 17] == 0);  // and what had no colour gets none

  Image edge = gray_photo(64, 64, 40);
  ChromaPlane sides = plane_of(32, 32, -40, 0);
  for (int y = 0; y < 64; ++y)
    for (int x = 32; x < 64; ++x) *edge.at(x, y) = 200;
  for (int y = 0; y < 32; ++y)
    for (int x = 16; x < 32; ++x) sides.cb[y * 32 + x] = 40;
  const ChromaPlane kept = smoothed_chroma(sides, edge);
  for (size_t i = 0; i < kept.cb.size(); ++i) CHECK(kept.cb[i] == Approx(sides.cb[i]).margin(0.01));
}

TEST_CASE("smoothing takes the smallest pictures and refuses others than the plane's", "[color]") {
  CHECK(smoothed_chroma(plane_of(1, 1, 7, 8), gray_photo(1, 1, 0)).cb[0] == Approx(7));
  CHECK(smoothed_chroma(plane_of(1, 1, 7, 8), Image(2, 2, 3)).cr[0] == Approx(8));
  CHECK_THROWS_AS(smoothed_chroma(plane_of(8, 8, 0, 0), gray_photo(16, 17, 0)), InternalError);
}

}  // namespace gan
