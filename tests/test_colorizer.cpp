// Colouring photos: whatever the network says, the photo's own luma stays.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <memory>
#include <vector>

#include "engine/random.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/device.h"
#include "model/weights.h"
#include "tools/flowers/photo.h"
#include "train/color/colorizer.h"
#include "train/image/color.h"
#include "train/metrics/metrics.h"

namespace gan {
namespace {

Image random_photo(int width, int height, int channels, Random& random) {
  Image photo(width, height, channels);
  for (uint8_t& level : photo.pixels) level = static_cast<uint8_t>(random.below(256));
  return photo;
}

float level_at(const Image& photo, int x, int y) {
  const uint8_t* p = photo.at(x, y);
  return photo.channels >= 3 ? luma(p[0], p[1], p[2]) : static_cast<float>(p[0]);
}

float largest_luma_change(const Image& photo, const Image& colored) {
  float largest = 0;
  for (int y = 0; y < photo.height; ++y) {
    for (int x = 0; x < photo.width; ++x) {
      largest = std::max(largest, std::abs(level_at(photo, x, y) - level_at(colored, x, y)));
    }
  }
  return largest;
}

std::unique_ptr<Generator> random_generator(Device& device, ColorHead head) {
  auto generator = make_generator("gan", 4, head);
  generator->parameters().allocate(device.memory, DType::f32, Use::inference);
  generator->parameters().initialize(3);
  return generator;
}

// What the weights in the box make of a painted photo with these products.
Image colored_with(CpuProducts products, uint64_t index) {
  const std::vector<uint8_t> rgb = flowers::take_photo(5, index).rgb;
  Image photo(flowers::kPhotoSize, flowers::kPhotoSize, 3);
  std::copy(rgb.begin(), rgb.end(), photo.pixels.begin());
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(make_cpu_backend(products));
  Device device = {host_memory(), Kernels(std::move(backends)), "", DevicePrecision::fp32};
  const LoadedGenerator loaded = load_generator(GAN_WEIGHTS "/flowers.bin", device.memory);
  return Colorizer(device, *loaded.generator).colorize(photo);
}

}  // namespace

TEST_CASE("bf16 products move hardly a colour by more than one level of 255", "[colorizer]") {
  int64_t all = 0, near = 0;
  double moved = 0;
  for (const uint64_t index : {0, 1}) {
    const Image exact = colored_with(CpuProducts::f32, index);
    const Image rounded = colored_with(CpuProducts::bf16, index);
    REQUIRE(rounded.pixels.size() == exact.pixels.size());
    for (size_t i = 0; i < exact.pixels.size(); ++i) {
      const int distance = std::abs(exact.pixels[i] - rounded.pixels[i]);
      ++all;
      near += distance <= 1;
      moved += distance;
    }
  }
  CAPTURE(near, all, moved);
  CHECK(static_cast<double>(near) >= 0.999 * static_cast<double>(all));
  CHECK(moved > 0);
}

TEST_CASE("any chroma on any photo leaves its luma alone", "[colorizer]") {
  Random random(11);
  for (int round = 0; round < 60; ++round) {
    const int width = 1 + static_cast<int>(random.below(90));
    const int height = 1 + static_cast<int>(random.below(90));
    const Image photo = random_photo(width, height, round % 2 ? 3 : 1, random);
    ChromaPlane chroma;
    chroma.width = 1 + static_cast<int>(random.below(40));
    chroma.height = 1 + static_cast<int>(random.below(40));
    const float strength = 30 * static_cast<float>(round % 10);  // far beyond the gamut, too
    for (int i = 0; i < chroma.width * chroma.height; ++i) {
      chroma.cb.push_back(strength * (2 * random.uniform() - 1));
      chroma.cr.push_back(strength * (2 * random.uniform() - 1));
    }
    const Image colored = with_chroma(photo, chroma);
    CAPTURE(width, height, photo.channels, strength);
    REQUIRE(colored.width == width);
    REQUIRE(colored.height == height);
    CHECK(largest_luma_change(photo, colored) <= 1);
    if (photo.channels == 3 && width >= 11 && height >= 11) {
      CHECK(measure(colored, photo).ssim_luma >= 0.999);
    }
  }
}

TEST_CASE("chroma that is no number leaves the photo gray", "[colorizer]") {
  Random random(14);
  const Image photo = random_photo(20, 10, 1, random);
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    const Image colored = with_chroma(photo, ChromaPlane{2, 1, {bad, bad}, {5, bad}});
    for (size_t i = 0; i < photo.pixels.size(); ++i) {
      CHECK(std::abs(
                luma(colored.pixels[3 * i], colored.pixels[3 * i + 1], colored.pixels[3 * i + 2]) -
                photo.pixels[i]) <= 1);
    }
    const uint8_t* last = colored.at(19, 9);  // beside the bad numbers only
    CHECK((last[0] == last[1] && last[1] == last[2]));
  }
}

TEST_CASE("photos of every size keep it, and their luma, at every work size", "[colorizer]") {
  Device device = open_device({});
  Random random(12);
  for (ColorHead head : {ColorHead::rgb, ColorHead::chroma64, ColorHead::chroma128}) {
    const auto generator = random_generator(device, head);
    Colorizer colorizer(device, *generator);
    // The smallest leave hardly room between the margins.
    for (const int side : {kWorkSize, 16, 24, 40}) {
      for (const auto& [width, height] : {std::pair{1, 1},
                                          {1, 300},
                                          {300, 1},
                                          {129, 127},
                                          {64, 200},
                                          {401, 150},
                                          {32, 16},
                                          {16, 32},
                                          {160, 10},
                                          {10, 160}}) {
        const Image photo = random_photo(width, height, 3, random);
        CAPTURE(name_of(head), side, width, height);
        const Image colored = to_image(colorizer.colorize(to_photo(photo), side));
        REQUIRE(colored.width == width);
        REQUIRE(colored.height == height);
        CHECK(largest_luma_change(photo, colored) <= 1);
      }
    }
  }
}

TEST_CASE("only luma is looked at", "[colorizer]") {
  Device device = open_device({});
  const auto generator = random_generator(device, ColorHead::chroma64);
  Colorizer colorizer(device, *generator);
  Random random(13);
  const Image gray = random_photo(64, 64, 1, random);
  Image rgb(64, 64, 3);
  for (size_t i = 0; i < gray.pixels.size(); ++i) {
    std::fill_n(&rgb.pixels[3 * i], 3, gray.pixels[i]);
  }
  // Sums of rounded weights may fall on the other side of a half.
  const Image from_gray = colorizer.colorize(gray), from_rgb = colorizer.colorize(rgb);
  for (size_t i = 0; i < from_gray.pixels.size(); ++i)
    REQUIRE(std::abs(from_gray.pixels[i] - from_rgb.pixels[i]) <= 1);
}

}  // namespace gan
