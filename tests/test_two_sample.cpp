// The two-sample test on pictures whose answer is known.
#include <catch2/catch.hpp>
#include <cmath>

#include "engine/error.h"
#include "engine/random.h"
#include "train/color/colorizer.h"
#include "train/metrics/two_sample.h"

namespace gan {
namespace {

constexpr int kSide = 32;
constexpr int kPhotos = 80;

// A photo whose colour changes smoothly from side to side, as no other does.
Image colored(uint64_t number) {
  Random random(7, number);
  float cb[2], cr[2];
  for (int i = 0; i < 2; ++i) {
    cb[i] = 80 * random.uniform() - 40;
    cr[i] = 80 * random.uniform() - 40;
  }
  Image gray(kSide, kSide, 1);
  for (uint8_t& level : gray.pixels) level = static_cast<uint8_t>(110 + random.below(30));
  return with_chroma(gray, ChromaPlane{2, 1, {cb[0], cb[1]}, {cr[0], cr[1]}});
}

TwoSampleResult compare(bool gray_outputs, uint64_t first_output) {
  Device device = open_device({});
  ChromaTwoSampleTest test({.steps = 60, .batch = 8});
  for (uint64_t i = 0; i < kPhotos; ++i) {
    const Image truth = colored(i), other = colored(first_output + i);
    test.add(gray_outputs ? with_chroma(truth, ChromaPlane{1, 1, {0}, {0}}) : other, truth);
  }
  return test.run(device);
}

TEST_CASE("Photos of the same distribution cannot be told apart", "[two_sample]") {
  const TwoSampleResult result = compare(false, 1000);
  CHECK(result.trained == kPhotos / 2);
  CHECK(result.tested == kPhotos / 2);
  CHECK(result.standard_error == Approx(0.5 / std::sqrt(kPhotos)));
  CHECK(std::abs(result.accuracy - 0.5) <= 3 * result.standard_error);
  CHECK(compare(false, 1000).accuracy == result.accuracy);
  // A perfect output is its truth.
  CHECK(compare(false, 0).accuracy == 0.5);
}

TEST_CASE("Gray photos are told from true ones", "[two_sample]") {
  CHECK(compare(true, 0).accuracy > 0.9);
}

TEST_CASE("Too few photos cannot be tested", "[two_sample]") {
  Device device = open_device({});
  ChromaTwoSampleTest test;
  test.add(colored(1), colored(2));
  CHECK_THROWS_AS(test.run(device), DataError);
  CHECK_THROWS_AS(test.add(Image(16, 16, 3), Image(16, 16, 3)), InternalError);
}

}  // namespace
}  // namespace gan
