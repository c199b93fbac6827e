// The flower painter: the same seed gives the same set, and what it paints can teach colour.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "engine/error.h"
#include "tests/temp_folder.h"
#include "tools/flowers/flower_set.h"
#include "tools/flowers/photo.h"
#include "train/image/image.h"

namespace {

namespace fs = std::filesystem;
using namespace gan::flowers;

constexpr uint64_t kSeed = 11;
constexpr size_t kPixels = size_t{kPhotoSize} * kPhotoSize;

std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    files[entry.path().filename().string()] = gan::read_text(entry.path());
  }
  return files;
}

void write(const fs::path& folder, int count, int threads, bool force = false) {
  SetOptions options;
  options.folder = folder;
  options.count = count;
  options.seed = kSeed;
  options.threads = threads;
  options.force = force;
  prepare_folder(options);
  write_set(options, [](int) {});
}

// Forty photos, four of each species; painted once for all tests.
const std::vector<Photo>& album() {
  static const std::vector<Photo> photos = [] {
    std::vector<Photo> taken;
    for (uint64_t index = 0; index < 40; ++index) taken.push_back(take_photo(kSeed, index));
    return taken;
  }();
  return photos;
}

// Average petal colour of a species' flower, over both varieties, as the texture starts from it.
std::array<double, 3> petal_colour(Species species) {
  std::array<double, 3> sum{};
  double count = 0;
  for (const bool second : {false, true}) {
    Scene scene;
    Rng rng(kSeed, static_cast<uint64_t>(species));
    add_flower({species, second, 1.0f}, Frame{}, false, rng, scene);
    for (const Part& part : scene.parts) {
      if (part.surface != Surface::petal) continue;
      sum[0] += std::sqrt(part.middle.x);
      sum[1] += std::sqrt(part.middle.y);
      sum[2] += std::sqrt(part.middle.z);
      ++count;
    }
  }
  for (double& channel : sum) channel /= count;
  return sum;
}

}  // namespace

TEST_CASE("the same seed writes the same files with one thread and with two", "[flowers]") {
  const gan::TempFolder one, two;
  write(one.path(), 12, 1);
  write(two.path(), 12, 2);
  const auto files = contents(one.path() / "flower_images");
  CHECK(files.size() == 13);
  CHECK(files == contents(two.path() / "flower_images"));
}

TEST_CASE("a photo depends on the seed and its own number only", "[flowers]") {
  CHECK(take_photo(kSeed, 7).rgb == album()[7].rgb);
  CHECK(take_photo(kSeed + 1, 7).rgb != album()[7].rgb);
  for (size_t k = 1; k < album().size(); ++k) CHECK(album()[k].rgb != album()[k - 1].rgb);
}

TEST_CASE("the labels name every photo once and tell its species", "[flowers]") {
  const gan::TempFolder folder;
  write(folder.path(), 10, 2);
  const fs::path images = folder.path() / "flower_images";
  std::ifstream labels(images / "flower_labels.csv");
  std::string line;
  std::getline(labels, line);
  CHECK(line == "file,label");
  std::array<int, kSpeciesCount> seen{};
  for (int index = 0; index < 10; ++index) {
    REQUIRE(std::getline(labels, line));
    const size_t comma = line.find(',');
    CHECK(line.substr(0, comma) == photo_name(index, 10));
    const int label = std::stoi(line.substr(comma + 1));
    CHECK(label == static_cast<int>(species_of(kSeed, static_cast<uint64_t>(index))));
    ++seen.at(static_cast<size_t>(label));
    const gan::Image image = gan::read_photo(images / photo_name(index, 10));
    CHECK(image.width == 128);
    CHECK(image.height == 128);
    CHECK(image.pixels == take_photo(kSeed, static_cast<uint64_t>(index)).rgb);
  }
  CHECK_FALSE(std::getline(labels, line));
  CHECK(std::all_of(seen.begin(), seen.end(), [](int count) { return count == 1; }));
  CHECK(contents(images).size() == 11);
}

TEST_CASE("a folder with files is left alone unless forced, then holds the new set only",
          "[flowers]") {
  const gan::TempFolder folder;
  const fs::path images = folder.path() / "flower_images";
  write(folder.path(), 4, 1);
  gan::write_text(images / "notes.txt", "mine");
  const auto before = contents(images);
  CHECK_THROWS_AS(write(folder.path(), 2, 1), gan::UsageError);
  CHECK(contents(images) == before);
  write(folder.path(), 2, 1, true);
  CHECK(contents(images).size() == 4);  // two photos, the labels, and the file of the user
  CHECK(contents(images).at("notes.txt") == "mine");
}

TEST_CASE("a folder that cannot be made is a data error", "[flowers]") {
  const gan::TempFolder folder;
  gan::write_text(folder / "file", "in the way");
  CHECK_THROWS_AS(write(folder.path() / "file", 1, 1), gan::DataError);
}

TEST_CASE("each species has a petal colour of its own", "[flowers]") {
  for (int a = 0; a < kSpeciesCount; ++a) {
    for (int b = 0; b < a; ++b) {
      const auto first = petal_colour(static_cast<Species>(a));
      const auto second = petal_colour(static_cast<Species>(b));
      double distance = 0;
      for (size_t k = 0; k < 3; ++k) distance += (first[k] - second[k]) * (first[k] - second[k]);
      INFO(kSpeciesNames[static_cast<size_t>(a)] << " and "
                                                 << kSpeciesNames[static_cast<size_t>(b)]);
      CHECK(std::sqrt(distance) > 0.12);
    }
  }
}

TEST_CASE("each species has a shape of its own", "[flowers]") {
  // The number of triangles and of materials is a crude but sharp mark of how a flower is built.
  std::map<size_t, int> shapes;
  for (int k = 0; k < kSpeciesCount; ++k) {
    Scene scene;
    Rng rng(kSeed, 0);
    add_flower({static_cast<Species>(k), false, 1.0f}, Frame{}, false, rng, scene);
    CHECK(scene.triangles.size() > 500);
    ++shapes[scene.triangles.size()];
  }
  CHECK(shapes.size() == kSpeciesCount);
}

TEST_CASE("photos are colourful, well exposed and never flat", "[flowers]") {
  for (const Photo& photo : album()) {
    INFO(kSpeciesNames[static_cast<size_t>(photo.label)]);
    REQUIRE(photo.rgb.size() == 3 * kPixels);
    double chroma = 0, luma = 0;
    size_t burnt = 0, flat = 0;
    for (size_t k = 0; k < kPixels; ++k) {
      const uint8_t* p = &photo.rgb[3 * k];
      chroma += *std::max_element(p, p + 3) - *std::min_element(p, p + 3);
      luma += 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
      if (*std::min_element(p, p + 3) >= 254) ++burnt;
      if (k % kPhotoSize != 0 && std::equal(p, p + 3, p - 3)) ++flat;
    }
    CHECK(chroma / kPixels > 25);
    CHECK(luma / kPixels > 40);
    CHECK(luma / kPixels < 200);
    CHECK(burnt < kPixels / 50);
    CHECK(flat < kPixels / 20);
  }
}
