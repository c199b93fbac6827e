// What a user may ask of colouring: flip averaging and saturation.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <memory>
#include <vector>

#include "train/color/colorizer.h"
#include "train/image/color.h"
#include "train/metrics/saturation.h"

namespace gan {
namespace {

// An untrained generator paints nonsense, but always the same.
struct Painter {
  explicit Painter(ColorHead head) : device(open_device({})) {
    generator = make_generator("gan", 4, head);
    generator->parameters().allocate(device.memory, DType::f32, Use::inference);
    generator->parameters().initialize(3);
  }
  Colorizer with(const ColorizeOptions& options) { return {device, *generator, options}; }

  Device device;
  std::unique_ptr<Generator> generator;
};

Image slanted_photo(int width, int height) {
  Image photo(width, height, 1);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      *photo.at(x, y) = static_cast<uint8_t>(60 + (x * 3 + y * 5 + x * y / 7) % 130);
  return photo;
}

Image mirrored(const Image& image) {
  Image out = image;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      std::copy_n(image.at(image.width - 1 - x, y), image.channels, out.at(x, y));
  return out;
}

int largest_difference(const Image& a, const Image& b) {
  REQUIRE(a.same_size(b));
  int largest = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i)
    largest = std::max(largest, std::abs(a.pixels[i] - b.pixels[i]));
  return largest;
}

constexpr ColorHead kHeads[] = {ColorHead::rgb, ColorHead::chroma64, ColorHead::chroma128};

TEST_CASE("The fitted saturation makes outputs as colourful as the truth", "[colorizer]") {
  for (const ColorHead head : {ColorHead::chroma64, ColorHead::chroma128}) {
    CAPTURE(name_of(head));
    Painter painter(head);
    Colorizer plain = painter.with({});
    // The truths are the outputs themselves, with more colour or less.
    for (const double gain : {0.6, 1.0, 1.7}) {
      Colorizer strong = painter.with({.saturation = gain});
      PhotoSet photos;
      photos.size = 64;
      for (int i = 0; i < 3; ++i) {
        Image truth = slanted_photo(64, 64);
        std::rotate(truth.pixels.begin(), truth.pixels.begin() + i * 1000, truth.pixels.end());
        truth = strong.recolor_squares({truth})[0];
        photos.pixels.insert(photos.pixels.end(), truth.pixels.begin(), truth.pixels.end());
        photos.names.push_back(std::to_string(i));
      }
      CHECK(fitted_saturation(plain, photos) == Approx(gain).margin(0.03));
    }
    PhotoSet gray;
    gray.size = 64;
    gray.pixels.assign(gray.photo_bytes(), 90);
    gray.names = {"gray"};
    CHECK(fitted_saturation(plain, gray) == 1);
  }
}

TEST_CASE("With flip averaging a mirrored photo gets mirrored colours", "[colorizer]") {
  for (const ColorHead head : kHeads) {
    CAPTURE(name_of(head));
    Painter painter(head);
    const Image square = slanted_photo(64, 64), photo = slanted_photo(150, 97);
    Colorizer plain = painter.with({}), flip = painter.with({.flip = true});

    const Image once = plain.predict({square})[0], other = plain.predict({mirrored(square)})[0];
    CHECK(largest_difference(other, mirrored(once)) > 0);
    CHECK(flip.predict({mirrored(square)})[0].pixels == mirrored(flip.predict({square})[0]).pixels);
    CHECK(largest_difference(flip.recolor_squares({mirrored(square)})[0],
                             mirrored(flip.recolor_squares({square})[0])) <= 1);
    CHECK(largest_difference(flip.colorize(mirrored(photo)), mirrored(flip.colorize(photo))) <= 1);
    // The average of two answers lies between them.
    const Image both = flip.predict({square})[0], back = mirrored(other);
    for (size_t i = 0; i < both.pixels.size(); ++i) {
      const auto [low, high] = std::minmax(once.pixels[i], back.pixels[i]);
      REQUIRE(both.pixels[i] >= low - 1);
      REQUIRE(both.pixels[i] <= high + 1);
    }
  }
}

TEST_CASE("Saturation multiplies chroma and leaves luma alone", "[colorizer]") {
  for (const ColorHead head : kHeads) {
    CAPTURE(name_of(head));
    Painter painter(head);
    const Image square = slanted_photo(64, 64);
    const Image plain = painter.with({}).recolor_squares({square})[0];
    const Image gray = painter.with({.saturation = 0}).recolor_squares({square})[0];
    const Image half = painter.with({.saturation = 0.5}).recolor_squares({square})[0];
    const Image strong = painter.with({.saturation = 3}).recolor_squares({square})[0];
    double chroma = 0, half_chroma = 0;
    for (size_t i = 0; i < plain.pixels.size(); i += 3) {
      const auto color = [&](const Image& image) {
        return to_ycbcr(image.pixels[i], image.pixels[i + 1], image.pixels[i + 2]);
      };
      const YCbCr a = color(plain), b = color(half), c = color(gray), d = color(strong);
      REQUIRE(std::abs(a.y - square.pixels[i / 3]) <= 0.51);
      REQUIRE(std::abs(b.y - a.y) <= 1.01);
      REQUIRE(std::abs(d.y - a.y) <= 1.01);
      REQUIRE(std::hypot(c.cb, c.cr) < 1e-3);
      chroma += std::hypot(a.cb, a.cr);
      half_chroma += std::hypot(b.cb, b.cr);
    }
    REQUIRE(chroma > 0);
    CHECK(half_chroma / chroma == Approx(0.5).margin(0.1));
    CHECK(colorfulness(strong) > 1.5 * colorfulness(plain));
    // The network's own picture loses its colour, too.
    CHECK(colorfulness(painter.with({.saturation = 0}).predict({square})[0]) < 1e-3);
  }
}

}  // namespace
}  // namespace gan
