// Painters that need no network, and the metrics of what they paint.
#include <catch2/catch.hpp>
#include <cmath>

#include "train/metrics/evaluate.h"

namespace gan {
namespace {

// Two photos of 8x8: one in this colour all over, the other a little brighter.
PhotoSet two_photos(uint8_t r, uint8_t g, uint8_t b) {
  PhotoSet photos;
  photos.size = 8;
  photos.names = {"a", "b"};
  for (int i = 0; i < 2 * 64; ++i) {
    const int brighter = i < 64 ? 0 : 10;
    for (const int level : {r, g, b})
      photos.pixels.push_back(static_cast<uint8_t>(level + brighter));
  }
  return photos;
}

TEST_CASE("The mean colour is that of all pixels", "[evaluate]") {
  const YCbCr mean = mean_color(two_photos(200, 100, 50));
  REQUIRE(mean.y == Approx(luma(205, 105, 55)));
  REQUIRE(mean.cb == Approx((55 - mean.y) / 1.772));
  REQUIRE(mean.cr == Approx((205 - mean.y) / 1.402));
}

TEST_CASE("A photo of one colour is painted right by its mean colour", "[evaluate]") {
  const PhotoSet photos = two_photos(140, 120, 90);
  const YCbCr mean = mean_color(photos);
  const auto right = evaluate(plain_painter(mean.cb, mean.cr), photos);
  REQUIRE(right.size() == 2);
  CHECK(right[0].ciede2000 < 0.5);
  CHECK(right[1].colorfulness_ratio == Approx(1).margin(0.05));
  const auto gray = evaluate(plain_painter(0, 0), photos);
  CHECK(gray[0].colorfulness < 1e-3);
  CHECK(gray[0].ciede2000 > 5);
  CHECK(evaluate(plain_painter(0, 0), photos, 1).size() == 1);
}

}  // namespace
}  // namespace gan
