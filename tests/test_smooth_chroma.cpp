// Chroma smoothed along the surfaces that luma shows.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "engine/random.h"
#include "kernels/device.h"
#include "model/generator.h"
#include "train/color/colorizer.h"
#include "train/color/smooth_chroma.h"
#include "train/metrics/metrics.h"

namespace gan {
namespace {

Image random_gray(int width, int height, int levels, Random& random) {
  Image gray(width, height, 1);
  for (uint8_t& v : gray.pixels) v = static_cast<uint8_t>(random.below(levels));
  return gray;
}

ChromaPlane plain(int width, int height, float cb, float cr) {
  const auto size = static_cast<size_t>(width * height);
  return {width, height, std::vector<float>(size, cb), std::vector<float>(size, cr)};
}

ChromaPlane random_chroma(int width, int height, Random& random) {
  ChromaPlane plane = plain(width, height, 0, 0);
  for (float& v : plane.cb) v = 100 * (random.uniform() - 0.4f);
  for (float& v : plane.cr) v = 100 * (random.uniform() - 0.6f);
  return plane;
}

// The formula of smooth_chroma.h, in double and word by word.
ChromaPlane by_definition(const ChromaPlane& chroma, const Image& luma) {
  const auto b = [](double t) { return std::max(0.0, 1 - t * t); };
  ChromaPlane out = chroma;
  double before = 0, after = 0;
  const int w = chroma.width, h = chroma.height;
  for (int p = 0; p < w * h; ++p) {
    double sum = 0, cb = 0, cr = 0;
    for (int q = 0; q < w * h; ++q) {
      const double near = b(std::hypot(p % w - q % w, p / w - q / w) / kSmoothReach);
      const double alike = b((luma.pixels[p] - luma.pixels[q]) / double{kSmoothLevels});
      const double weight = near * near * alike * alike;
      sum += weight;
      cb += weight * chroma.cb[q];
      cr += weight * chroma.cr[q];
    }
    const double own = std::hypot(chroma.cb[p], chroma.cr[p]);
    const double mean = std::hypot(cb, cr) / sum;
    const double shrink = mean > own ? own / mean : 1;
    out.cb[p] = static_cast<float>(shrink * cb / sum);
    out.cr[p] = static_cast<float>(shrink * cr / sum);
    before += own;
    after += shrink * mean;
  }
  const auto gain = static_cast<float>(std::min<double>(kMostSmoothGain, before / after));
  for (float& v : out.cb) v *= gain;
  for (float& v : out.cr) v *= gain;
  return out;
}

float largest_difference(const ChromaPlane& a, const ChromaPlane& b) {
  REQUIRE(a.cb.size() == b.cb.size());
  float largest = 0;
  for (size_t i = 0; i < a.cb.size(); ++i)
    largest = std::max({largest, std::abs(a.cb[i] - b.cb[i]), std::abs(a.cr[i] - b.cr[i])});
  return largest;
}

double mean_length(const ChromaPlane& plane) {
  double sum = 0;
  for (size_t i = 0; i < plane.cb.size(); ++i) sum += std::hypot(plane.cb[i], plane.cr[i]);
  return sum / static_cast<double>(plane.cb.size());
}

constexpr std::pair<int, int> kSizes[] = {{1, 1},  {1, 30}, {30, 1},  {2, 3},
                                          {9, 17}, {8, 64}, {31, 20}, {64, 64}};

TEST_CASE("Smoothed chroma is what its formula says", "[color]") {
  Random random(1);
  for (const auto& [width, height] : kSizes) {
    for (const int levels : {1, 40, 256}) {
      CAPTURE(width, height, levels);
      const Image luma = random_gray(width, height, levels, random);
      const ChromaPlane chroma = random_chroma(width, height, random);
      CHECK(largest_difference(smoothed_chroma(chroma, luma), by_definition(chroma, luma)) < 1e-3f);
    }
  }
}

TEST_CASE("One colour stays one colour, whatever the luma", "[color]") {
  Random random(2);
  for (const auto& [width, height] : kSizes) {
    CAPTURE(width, height);
    const ChromaPlane chroma = plain(width, height, 31, -12), gray = plain(width, height, 0, 0);
    const Image luma = random_gray(width, height, 60, random);
    CHECK(largest_difference(smoothed_chroma(chroma, luma), chroma) < 1e-3f);
    CHECK(largest_difference(smoothed_chroma(gray, luma), gray) == 0);
  }
}

TEST_CASE("Colours stop at an edge of luma, and mix where there is none", "[color]") {
  ChromaPlane halves = plain(40, 20, 30, 10);
  Image edge(40, 20, 1), flat(40, 20, 1);
  for (int y = 0; y < 20; ++y) {
    for (int x = 20; x < 40; ++x) {
      halves.cb[y * 40 + x] = -30;
      *edge.at(x, y) = static_cast<uint8_t>(kSmoothLevels);
    }
  }
  CHECK(largest_difference(smoothed_chroma(halves, edge), halves) < 1e-3f);
  const ChromaPlane mixed = smoothed_chroma(halves, flat);
  CHECK(mixed.cb[10 * 40 + 19] < 10);
  CHECK(mixed.cb[10 * 40 + 19] > -10);
  // Further away than the filter reaches only the common gain is left.
  CHECK(mixed.cb[0] / mixed.cr[0] == Approx(3).epsilon(1e-4));
}

TEST_CASE("Blotches shrink, the plane's mean chroma stays, and white stays white", "[color]") {
  Random random(3);
  const Image flat(64, 64, 1);
  ChromaPlane chroma = random_chroma(64, 64, random);
  for (size_t i = 0; i < chroma.cb.size(); ++i) chroma.cb[i] += 60;
  chroma.cb[100] = chroma.cr[100] = 0;
  const ChromaPlane smooth = smoothed_chroma(chroma, flat);
  const auto turns = [](const ChromaPlane& plane) {  // of the hue, from pixel to pixel
    double sum = 0;
    for (size_t i = 201; i < plane.cb.size(); ++i)
      sum += std::abs(std::atan2(plane.cr[i], plane.cb[i]) -
                      std::atan2(plane.cr[i - 1], plane.cb[i - 1]));
    return sum;
  };
  CHECK(turns(smooth) < turns(chroma) / 5);
  CHECK(mean_length(smooth) == Approx(mean_length(chroma)).epsilon(1e-4));
  CHECK(std::hypot(smooth.cb[100], smooth.cr[100]) == 0);
}

TEST_CASE("Strength and mirror images pass through smoothing", "[color]") {
  Random random(4);
  const Image luma = random_gray(33, 20, 90, random);
  const ChromaPlane chroma = random_chroma(33, 20, random);
  const ChromaPlane once = smoothed_chroma(chroma, luma);
  ChromaPlane half = chroma, half_once = once, mirror = chroma, mirror_once = once;
  Image mirror_luma = luma;
  const auto halve = [](std::vector<float>& values) {
    for (float& v : values) v /= 2;
  };
  for (ChromaPlane* plane : {&half, &half_once}) {
    halve(plane->cb);
    halve(plane->cr);
  }
  CHECK(largest_difference(smoothed_chroma(half, luma), half_once) < 1e-4f);
  const auto turn = [](auto& values) {  // rows and columns at once
    std::reverse(values.begin(), values.end());
  };
  for (ChromaPlane* plane : {&mirror, &mirror_once}) {
    turn(plane->cb);
    turn(plane->cr);
  }
  turn(mirror_luma.pixels);
  CHECK(largest_difference(smoothed_chroma(mirror, mirror_luma), mirror_once) < 1e-3f);
}

TEST_CASE("Chroma that is no number does not spread", "[color]") {
  const Image flat(12, 5, 1);
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -3e38f}) {
    ChromaPlane chroma = plain(12, 5, 20, 10);
    chroma.cb[7] = bad;
    const ChromaPlane out = smoothed_chroma(chroma, flat);
    for (size_t i = 0; i < out.cb.size(); ++i) {
      REQUIRE(std::isfinite(out.cb[i]));
      REQUIRE(std::isfinite(out.cr[i]));
    }
  }
  CHECK_THROWS(smoothed_chroma(plain(4, 4, 1, 1), Image(4, 3, 1)));
  CHECK_THROWS(smoothed_chroma(plain(8, 8, 1, 1), Image(16, 17, 1)));
  CHECK(smoothed_chroma(plain(2, 2, 7, 1), Image(4, 4, 3)).cb[0] == Approx(7));
}

TEST_CASE("Chroma heads are smoothed unless it is switched off, RGB heads never", "[color]") {
  Device device = open_device({});
  Random random(5);
  const Image photo = random_gray(64, 96, 256, random);
  for (const ColorHead head : {ColorHead::chroma64, ColorHead::chroma128, ColorHead::rgb}) {
    CAPTURE(name_of(head));
    const auto generator = make_generator("gan", 4, head);
    generator->parameters().allocate(device.memory, DType::f32, Use::inference);
    generator->parameters().initialize(3);
    Colorizer on(device, *generator), off(device, *generator, {.smooth = false});
    const ChromaPlane own = off.chroma({photo})[0], smooth = on.chroma({photo})[0];
    if (head == ColorHead::rgb) {
      CHECK(largest_difference(smooth, own) == 0);
    } else {
      CHECK(largest_difference(smooth, smoothed_chroma(own, photo)) == 0);
      CHECK(largest_difference(smooth, own) > 0);
    }
    CHECK(on.predict({photo})[0].pixels == off.predict({photo})[0].pixels);  // the network's own
    const Image colored = on.recolor_squares({photo})[0];
    CHECK(colored.pixels == with_chroma(photo, smooth).pixels);
    Image gray(photo.width, photo.height, 3);
    for (size_t i = 0; i < gray.pixels.size(); ++i) gray.pixels[i] = photo.pixels[i / 3];
    CHECK(measure(colored, gray).ssim_luma >= 0.999);
  }
}

}  // namespace
}  // namespace gan
