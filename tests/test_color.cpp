#include <catch2/catch.hpp>

#include <cmath>
#include <iterator>
#include <limits>

#include "engine/random.h"
#include "train/image/color.h"

namespace gan {
namespace {

TEST_CASE("Luma and chroma of the primaries are those of the JPEG standard", "[color]") {
  // ITU-T T.871: Y = 0.299 R + 0.587 G + 0.114 B; pure blue has Cb = 127.5, pure red Cr = 127.5.
  REQUIRE(luma(255, 0, 0) == Approx(76.245));
  REQUIRE(luma(0, 255, 0) == Approx(149.685));
  REQUIRE(luma(0, 0, 255) == Approx(29.07));
  REQUIRE(to_ycbcr(0, 0, 255).cb == Approx(127.5));
  REQUIRE(to_ycbcr(255, 0, 0).cr == Approx(127.5));
  REQUIRE(to_ycbcr(255, 255, 0).cb == Approx(-127.5));
  REQUIRE(to_ycbcr(255, 0, 0).cb == Approx(-0.168736 * 255).epsilon(1e-5));
  REQUIRE(to_ycbcr(0, 255, 0).cr == Approx(-0.418688 * 255).epsilon(1e-5));
  REQUIRE(luma_u8(255, 0, 0) == 76);
  REQUIRE(luma_u8(0, 255, 0) == 150);
  for (int v = 0; v < 256; ++v) {
    const auto level = static_cast<uint8_t>(v);
    REQUIRE(luma_u8(level, level, level) == level);
    REQUIRE(std::abs(to_ycbcr(level, level, level).cb) < 1e-4);
    REQUIRE(std::abs(to_ycbcr(level, level, level).cr) < 1e-4);
  }
}

TEST_CASE("Every 8-bit colour survives the way to chroma and back", "[color]") {
  for (int r = 0; r < 256; r += 5)
    for (int g = 0; g < 256; g += 3)
      for (int b = 0; b < 256; b += 5) {
        const YCbCr color =
            to_ycbcr(static_cast<float>(r), static_cast<float>(g), static_cast<float>(b));
        const auto rgb = to_rgb(color);
        const auto rounded = recolor(color.y, color.cb, color.cr);
        const bool same = std::abs(rgb[0] - static_cast<float>(r)) < 1e-3f &&
                          std::abs(rgb[1] - static_cast<float>(g)) < 1e-3f &&
                          std::abs(rgb[2] - static_cast<float>(b)) < 1e-3f && rounded[0] == r &&
                          rounded[1] == g && rounded[2] == b;
        if (!same) FAIL("colour " << r << " " << g << " " << b);
      }
}

TEST_CASE("Recolouring never changes luma by more than rounding, whatever the chroma", "[color]") {
  Random random(7);
  float worst = 0;
  for (int i = 0; i < 200000; ++i) {
    const float y = 255 * random.uniform();
    const float cb = 400 * (random.uniform() - 0.5f), cr = 400 * (random.uniform() - 0.5f);
    const auto [r, g, b] = recolor(y, cb, cr);
    worst = std::max(worst, std::abs(luma(r, g, b) - y));
  }
  REQUIRE(worst <= 0.501f);
}

TEST_CASE("Recolouring an 8-bit luma gives that luma back", "[color]") {
  Random random(8);
  for (int i = 0; i < 100000; ++i) {
    const auto y = static_cast<int>(random.below(256));
    const auto [r, g, b] = recolor(static_cast<float>(y), 255 * (random.uniform() - 0.5f),
                                   255 * (random.uniform() - 0.5f));
    if (std::abs(luma_u8(r, g, b) - y) > 1) FAIL("luma " << y << " became " << +luma_u8(r, g, b));
  }
  for (const float chroma : {-127.5f, 0.0f, 127.5f}) {
    REQUIRE(recolor(0, chroma, chroma) == std::array<uint8_t, 3>{0, 0, 0});
    REQUIRE(recolor(255, chroma, -chroma) == std::array<uint8_t, 3>{255, 255, 255});
  }
}

TEST_CASE("Chroma that does not fit shrinks by the largest factor that does", "[color]") {
  // Luma 200, cr 100: red would be 340.2. The factor is 55 / 140.2, which leaves red at 255 and
  // green at 200 - 0.299 * 55 / 0.587 = 171.98.
  REQUIRE(recolor(200, 0, 100) == std::array<uint8_t, 3>{255, 172, 200});
  // Luma 50, cb -60: blue would be -56.32. The factor is 50 / 106.32; green rises by
  // 0.114 * 50 / 0.587 = 9.71.
  REQUIRE(recolor(50, -60, 0) == std::array<uint8_t, 3>{50, 60, 0});
  // What fits is left alone.
  REQUIRE(recolor(128, 10, 20) == std::array<uint8_t, 3>{156, 110, 146});
}

TEST_CASE("Recolouring survives numbers that no network should produce", "[color]") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  const std::array<uint8_t, 3> gray = {100, 100, 100};
  REQUIRE(recolor(100, kNaN, 0) == gray);
  REQUIRE(recolor(100, 0, kInfinity) == gray);
  REQUIRE(recolor(100, -kInfinity, kInfinity) == gray);
  REQUIRE(recolor(100, std::numeric_limits<float>::max(), 0) == gray);
  REQUIRE(recolor(-5, 0, 0) == std::array<uint8_t, 3>{0, 0, 0});
  REQUIRE(recolor(300, 0, 0) == std::array<uint8_t, 3>{255, 255, 255});
  const auto [r, g, b] = recolor(100, 1e20f, 1e20f);
  REQUIRE(std::abs(luma(r, g, b) - 100) <= 0.501f);
}

TEST_CASE("CIELAB of known sRGB colours is right", "[color]") {
  // Lindbloom's calculator (sRGB, D65, no adaptation), 4 digits.
  struct Known {
    uint8_t r, g, b;
    Lab lab;
  };
  const Known known[] = {
      {255, 0, 0, {53.2408, 80.0925, 67.2032}},
      {0, 255, 0, {87.7347, -86.1827, 83.1793}},
      {0, 0, 255, {32.2970, 79.1875, -107.8602}},
      {255, 255, 0, {97.1393, -21.5537, 94.4780}},
      {255, 255, 255, {100, 0, 0}},
      {0, 0, 0, {0, 0, 0}},
      {119, 119, 119, {50.0344, 0, 0}},
  };
  for (const Known& k : known) {
    const Lab lab = to_lab(k.r, k.g, k.b);
    INFO(+k.r << " " << +k.g << " " << +k.b);
    REQUIRE(lab.l == Approx(k.lab.l).margin(2e-3));
    REQUIRE(lab.a == Approx(k.lab.a).margin(2e-3));
    REQUIRE(lab.b == Approx(k.lab.b).margin(2e-3));
  }
  for (int v = 0; v < 256; ++v) {
    const auto level = static_cast<uint8_t>(v);
    REQUIRE(to_lab(level, level, level).chroma() < 1e-4);
  }
}

TEST_CASE("CIEDE2000 agrees with all 34 pairs of Sharma, Wu and Dalal", "[color]") {
  struct Pair {
    Lab x, y;
    double difference;
  };
  // Table 1 of the paper.
  const Pair pairs[] = {
      {{50.0000, 2.6772, -79.7751}, {50.0000, 0.0000, -82.7485}, 2.0425},
      {{50.0000, 3.1571, -77.2803}, {50.0000, 0.0000, -82.7485}, 2.8615},
      {{50.0000, 2.8361, -74.0200}, {50.0000, 0.0000, -82.7485}, 3.4412},
      {{50.0000, -1.3802, -84.2814}, {50.0000, 0.0000, -82.7485}, 1.0000},
      {{50.0000, -1.1848, -84.8006}, {50.0000, 0.0000, -82.7485}, 1.0000},
      {{50.0000, -0.9009, -85.5211}, {50.0000, 0.0000, -82.7485}, 1.0000},
      {{50.0000, 0.0000, 0.0000}, {50.0000, -1.0000, 2.0000}, 2.3669},
      {{50.0000, -1.0000, 2.0000}, {50.0000, 0.0000, 0.0000}, 2.3669},
      {{50.0000, 2.4900, -0.0010}, {50.0000, -2.4900, 0.0009}, 7.1792},
      {{50.0000, 2.4900, -0.0010}, {50.0000, -2.4900, 0.0010}, 7.1792},
      {{50.0000, 2.4900, -0.0010}, {50.0000, -2.4900, 0.0011}, 7.2195},
      {{50.0000, 2.4900, -0.0010}, {50.0000, -2.4900, 0.0012}, 7.2195},
      {{50.0000, -0.0010, 2.4900}, {50.0000, 0.0009, -2.4900}, 4.8045},
      {{50.0000, -0.0010, 2.4900}, {50.0000, 0.0010, -2.4900}, 4.8045},
      {{50.0000, -0.0010, 2.4900}, {50.0000, 0.0011, -2.4900}, 4.7461},
      {{50.0000, 2.5000, 0.0000}, {50.0000, 0.0000, -2.5000}, 4.3065},
      {{50.0000, 2.5000, 0.0000}, {73.0000, 25.0000, -18.0000}, 27.1492},
      {{50.0000, 2.5000, 0.0000}, {61.0000, -5.0000, 29.0000}, 22.8977},
      {{50.0000, 2.5000, 0.0000}, {56.0000, -27.0000, -3.0000}, 31.9030},
      {{50.0000, 2.5000, 0.0000}, {58.0000, 24.0000, 15.0000}, 19.4535},
      {{50.0000, 2.5000, 0.0000}, {50.0000, 3.1736, 0.5854}, 1.0000},
      {{50.0000, 2.5000, 0.0000}, {50.0000, 3.2972, 0.0000}, 1.0000},
      {{50.0000, 2.5000, 0.0000}, {50.0000, 1.8634, 0.5757}, 1.0000},
      {{50.0000, 2.5000, 0.0000}, {50.0000, 3.2592, 0.3350}, 1.0000},
      {{60.2574, -34.0099, 36.2677}, {60.4626, -34.1751, 39.4387}, 1.2644},
      {{63.0109, -31.0961, -5.8663}, {62.8187, -29.7946, -4.0864}, 1.2630},
      {{61.2901, 3.7196, -5.3901}, {61.4292, 2.2480, -4.9620}, 1.8731},
      {{35.0831, -44.1164, 3.7933}, {35.0232, -40.0716, 1.5901}, 1.8645},
      {{22.7233, 20.0904, -46.6940}, {23.0331, 14.9730, -42.5619}, 2.0373},
      {{36.4612, 47.8580, 18.3852}, {36.2715, 50.5065, 21.2231}, 1.4146},
      {{90.8027, -2.0831, 1.4410}, {91.1528, -1.6435, 0.0447}, 1.4441},
      {{90.9257, -0.5406, -0.9208}, {88.6381, -0.8985, -0.7239}, 1.5381},
      {{6.7747, -0.2908, -2.4247}, {5.8714, -0.0985, -2.2286}, 0.6377},
      {{2.0776, 0.0795, -1.1350}, {0.9033, -0.0636, -0.5514}, 0.9082},
  };
  static_assert(std::size(pairs) == 34);
  for (const Pair& pair : pairs) {
    INFO(pair.x.l << " " << pair.x.a << " " << pair.x.b << " / " << pair.y.l << " " << pair.y.a
                  << " " << pair.y.b);
    REQUIRE(ciede2000(pair.x, pair.y) == Approx(pair.difference).margin(1e-4).epsilon(0));
    REQUIRE(ciede2000(pair.x, pair.y) == Approx(ciede2000(pair.y, pair.x)).epsilon(1e-9));
    REQUIRE(ciede2000(pair.x, pair.x) == 0);
  }
}

TEST_CASE("Colourfulness follows the signed definition", "[color]") {
  // Two colours in equal parts, worked out by hand:
  // (200, 100, 0): rg = 100, yb = 150; (0, 100, 200): rg = -100, yb = -150.
  // Means are 0, variances 100^2 and 150^2: sqrt(10000 + 22500) = 180.2776. With absolute values
  // the variances would be 0 and the result 0.3 * 180.2776.
  Image image(2, 1, 3);
  image.pixels = {200, 100, 0, 0, 100, 200};
  REQUIRE(colorfulness(image) == Approx(180.27756));
  // One colour: only the means count. (200, 100, 0): 0.3 * hypot(100, 150).
  image.pixels = {200, 100, 0, 200, 100, 0};
  REQUIRE(colorfulness(image) == Approx(0.3 * 180.27756));
  image.pixels = {7, 7, 7, 250, 250, 250};
  REQUIRE(colorfulness(image) == 0);
}

}  // namespace
}  // namespace gan
