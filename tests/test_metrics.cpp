#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "train/metrics/metrics.h"

namespace gan {
namespace {

Image filled(int width, int height, std::array<uint8_t, 3> color) {
  Image image(width, height, 3);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = color[i % 3];
  return image;
}

// A pair with structure, noise and a whitish corner, 24x20.
struct Pair {
  Image output{24, 20, 3}, truth{24, 20, 3};
};

Pair pattern_pair() {
  Pair pair;
  for (int y = 0; y < 20; ++y)
    for (int x = 0; x < 24; ++x)
      for (int c = 0; c < 3; ++c) {
        const int real = x < 6 && y < 5 ? 200 + (x + 2 * y + c) % 4
                                        : (x * 7 + y * 13 + c * 50 + (x * y) % 11 * 5) % 256;
        const int made = std::clamp(real + (x * 5 + y * 3 + c * 17) % 31 - 15, 0, 255);
        pair.truth.at(x, y)[c] = static_cast<uint8_t>(real);
        pair.output.at(x, y)[c] = static_cast<uint8_t>(made);
      }
  return pair;
}

TEST_CASE("A photo compared with itself is perfect", "[metrics]") {
  const Image image = pattern_pair().truth;
  const PhotoMetrics m = measure(image, image);
  REQUIRE(m.psnr == kMaxPsnr);
  REQUIRE(m.psnr_ab == kMaxPsnr);
  REQUIRE(m.ssim == Approx(1));
  REQUIRE(m.ssim_luma == Approx(1));
  REQUIRE(m.ciede2000 == 0);
  REQUIRE(m.ciede2000_p90 == 0);
  REQUIRE(m.colorfulness_ratio == 1);
  REQUIRE(m.bias_a == 0);
  REQUIRE(m.bias_b == 0);
  REQUIRE(m.auc == 1);
  REQUIRE(m.hue_distance == Approx(0).margin(1e-12));
  REQUIRE(m.blotch == 0);
}

TEST_CASE("The numbers of two plain colours are those worked out by hand", "[metrics]") {
  const PhotoMetrics m = measure(filled(16, 12, {110, 150, 190}), filled(16, 12, {100, 150, 200}));
  // MSE = (10^2 + 0 + 10^2) / 3.
  REQUIRE(m.psnr == Approx(10 * std::log10(255 * 255 * 3 / 200.0)));
  // Without variance SSIM is (2xy + C1) / (x^2 + y^2 + C1), C1 = 6.5025.
  const double red = (2 * 110 * 100 + 6.5025) / (110 * 110 + 100 * 100 + 6.5025);
  const double blue = (2 * 190 * 200 + 6.5025) / (190 * 190 + 200 * 200 + 6.5025);
  REQUIRE(m.ssim == Approx((red + 1 + blue) / 3));
  // Luma 142.6 and 140.75.
  const double x = 142.6, y = 140.75;
  REQUIRE(m.ssim_luma == Approx((2 * x * y + 6.5025) / (x * x + y * y + 6.5025)));
  // Output: rg = -40, yb = -60; truth: rg = -50, yb = -75.
  REQUIRE(m.colorfulness == Approx(0.3 * std::hypot(40, 60)));
  REQUIRE(m.colorfulness_truth == Approx(0.3 * std::hypot(50, 75)));
  REQUIRE(m.colorfulness_ratio == Approx(0.8));
  REQUIRE(m.white_pixels == 0);
  REQUIRE(std::isnan(m.white_chroma));
}

TEST_CASE("All numbers of a patterned pair agree with an independent computation", "[metrics]") {
  // Computed with numpy straight from the definitions: SSIM with the full 11x11 window at each of
  // the 14x10 positions (numpy.lib.stride_tricks.sliding_window_view, variances around the local
  // mean), CIEDE2000 in degrees, numpy.percentile.
  const Pair pair = pattern_pair();
  const PhotoMetrics m = measure(pair.output, pair.truth);
  REQUIRE(m.psnr == Approx(29.27511059837459).epsilon(1e-9));
  REQUIRE(m.psnr_ab == Approx(31.671551294965145).epsilon(1e-9));
  REQUIRE(m.ssim == Approx(0.9765808117658228).epsilon(1e-9));
  REQUIRE(m.ssim_luma == Approx(0.9914097008992547).epsilon(1e-7));  // luma is made in float
  REQUIRE(m.ciede2000 == Approx(4.522833387201704).epsilon(1e-9));
  REQUIRE(m.ciede2000_p90 == Approx(6.759814608248813).epsilon(1e-9));
  REQUIRE(m.colorfulness == Approx(142.83809957489845).epsilon(1e-9));
  REQUIRE(m.colorfulness_truth == Approx(142.13181195478387).epsilon(1e-9));
  REQUIRE(m.bias_a == Approx(-0.02014376432556816).epsilon(1e-9));
  REQUIRE(m.bias_b == Approx(0.21632990647773317).epsilon(1e-9));
  REQUIRE(m.white_chroma == Approx(10.137064477242165).epsilon(1e-9));
  REQUIRE(m.white_pixels == 30);
}

TEST_CASE("What does not exist is not a number", "[metrics]") {
  const PhotoMetrics m = measure(filled(10, 40, {90, 80, 70}), filled(10, 40, {80, 80, 80}));
  REQUIRE(std::isnan(m.ssim));  // narrower than the window
  REQUIRE(std::isnan(m.ssim_luma));
  REQUIRE(std::isnan(m.colorfulness_ratio));  // gray truth
  const auto json = to_json(m);
  REQUIRE(json["ssim"].is_null());
  REQUIRE(json["white_chroma"].is_null());
  REQUIRE(json["white_pixels"] == 0);
  REQUIRE(json["psnr"] == m.psnr);
  // One pixel is enough for the rest.
  REQUIRE(measure(filled(1, 1, {1, 2, 3}), filled(1, 1, {3, 2, 1})).ciede2000 > 0);
}

TEST_CASE("Images of different sizes are not compared", "[metrics]") {
  REQUIRE_THROWS_AS(measure(filled(8, 8, {1, 2, 3}), filled(8, 9, {1, 2, 3})), InternalError);
  REQUIRE_THROWS_AS(measure(Image(8, 8, 1), Image(8, 8, 1)), InternalError);
}

TEST_CASE("The score punishes too little and too much colour", "[metrics]") {
  REQUIRE(color_score(12, 1) == 12);
  REQUIRE(color_score(12, 0.85) == 12);
  REQUIRE(color_score(15.6, 0) == Approx(24.1));  // a photo left gray
  REQUIRE(color_score(12, 1.35) == Approx(14));
  REQUIRE(color_score(12, std::numeric_limits<double>::quiet_NaN()) == 12);
}

TEST_CASE("A summary averages photos, and pools what is counted in pixels", "[metrics]") {
  PhotoMetrics a, b, c;
  a.psnr = 20, b.psnr = 30, c.psnr = 40;
  a.ssim = 0.5, b.ssim = std::numeric_limits<double>::quiet_NaN(), c.ssim = 0.9;
  a.ciede2000 = 10, b.ciede2000 = 12, c.ciede2000 = 14;
  a.colorfulness = 10, a.colorfulness_truth = 20, a.colorfulness_ratio = 0.5;
  b.colorfulness = 60, b.colorfulness_truth = 60, b.colorfulness_ratio = 1;
  c.colorfulness = 14, c.colorfulness_truth = 40, c.colorfulness_ratio = 0.35;
  a.hues[0] = 3, b.hues[5] = 1;  // 3/4 and 1/4 against all in bin 5: nothing but 1/4 in common
  a.hues_truth[5] = b.hues_truth[5] = 2;
  a.white_pixels = 10, a.white_chroma = 4;
  b.white_pixels = 0, b.white_chroma = std::numeric_limits<double>::quiet_NaN();
  c.white_pixels = 30, c.white_chroma = 8;
  const MetricsSummary s = summarize({a, b, c});
  REQUIRE(s.photos == 3);
  REQUIRE(s.psnr == Approx(30));
  REQUIRE(s.ssim == Approx(0.7));
  REQUIRE(s.colorfulness_ratio == Approx(84.0 / 120));
  REQUIRE(s.colorfulness_ratio_photos == Approx(1.85 / 3));
  REQUIRE(s.white_pixels == 40);
  REQUIRE(s.white_chroma == Approx(7));
  REQUIRE(s.score == Approx(12 + 10 * 0.15));
  REQUIRE(s.hue_distance == Approx(0.75));
  const auto json = to_json(s);
  REQUIRE(json["photos"] == 3);
  REQUIRE(json["score"] == s.score);
  REQUIRE(json["colorfulness_ratio"] == s.colorfulness_ratio);
}

TEST_CASE("A summary of nothing has no numbers", "[metrics]") {
  const MetricsSummary s = summarize({});
  REQUIRE(s.photos == 0);
  REQUIRE(std::isnan(s.psnr));
  REQUIRE(to_json(s)["score"].is_null());
}

}  // namespace
}  // namespace gan
