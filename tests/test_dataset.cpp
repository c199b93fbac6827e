#include <catch2/catch.hpp>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "tests/temp_folder.h"
#include "train/data/dataset.h"

namespace gan {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using Names = std::vector<std::string>;

// A colourful picture, different for each seed.
Image colored(uint64_t seed, int width = 20, int height = 16) {
  Image image(width, height, 3);
  Random random(seed);
  for (uint8_t& v : image.pixels) v = static_cast<uint8_t>(random.below(256));
  return image;
}

void put_photo(const fs::path& path, uint64_t seed) {
  fs::create_directories(path.parent_path());
  write_photo(path, colored(seed));
}

DatasetOptions small_options() {
  DatasetOptions options;
  options.size = 8;
  return options;
}

std::string reason_of(const Dataset& dataset, const std::string& path) {
  for (const BadFile& bad : dataset.report.bad)
    if (bad.path == path) return bad.reason;
  return "not listed";
}

// How the split of `count` photos, seeds first, first + 1, ..., falls out.
Dataset load_many(const TempFolder& folder, uint64_t first, int count, double fraction) {
  for (int i = 0; i < count; ++i)
    put_photo(folder / str("p", i, ".png"), first + static_cast<uint64_t>(i));
  DatasetOptions options = small_options();
  options.validation_fraction = fraction;
  return load_dataset(folder.path(), options);
}

TEST_CASE("Photos are found in any arrangement of folders, in the order of their names",
          "[dataset]") {
  const TempFolder folder;
  for (const char* name :
       {"b.png", "a.JPG", "rose/2.jpeg", "rose/1.bmp", "rose b/x.png", "deep/er/and/deeper.Jpg",
        "\xe8\x8a\xb1/fl\xc3\xb6we r.png", "old.webp", "labels.csv", "notes.txt", ".hidden.png",
        ".cache/thumb.png", "no extension", "rose/Thumbs.db"})
    write_text(folder / name, "x");
  const FolderScan scan = scan_folder(folder.path());
  // By bytes: ' ' comes before '/', '/' before letters.
  REQUIRE(scan.names == Names{"a.JPG", "b.png", "deep/er/and/deeper.Jpg", "old.webp",
                              "rose b/x.png", "rose/1.bmp", "rose/2.jpeg",
                              "\xe8\x8a\xb1/fl\xc3\xb6we r.png"});
  REQUIRE(scan.ignored == 5);
  REQUIRE(scan.bad.empty());
  REQUIRE_FALSE(scan.color_and_gray);
}

TEST_CASE("Of parallel folders color and gray only color is used", "[dataset]") {
  const TempFolder folder;
  for (const char* name : {"color/1.png", "color/2.png", "gray/1.png", "gray/2.png", "other/3.png"})
    write_text(folder / name, "x");
  const FolderScan scan = scan_folder(folder.path());
  REQUIRE(scan.color_and_gray);
  REQUIRE(scan.names == Names{"color/1.png", "color/2.png"});
  fs::remove_all(folder / "gray");
  REQUIRE(scan_folder(folder.path()).names.size() == 3);
}

TEST_CASE("A label file beside a flat folder of pictures is ignored", "[dataset]") {
  const TempFolder folder;
  for (const char* name : {"flower_images/0001.png", "flower_images/0002.png"})
    write_text(folder / name, "x");
  write_text(folder / "flower_images" / "flower_labels.csv", "file,label\r\n0001.png,0\r\n");
  const FolderScan scan = scan_folder(folder.path());
  REQUIRE(scan.names == Names{"flower_images/0001.png", "flower_images/0002.png"});
  REQUIRE(scan.ignored == 1);
}

#ifndef _WIN32
TEST_CASE("Links are followed and loops of links are harmless", "[dataset]") {
  const TempFolder folder, elsewhere;
  put_photo(folder / "a" / "1.png", 1);
  put_photo(elsewhere / "2.png", 2);
  fs::create_directory_symlink(folder.path(), folder / "a" / "up");
  fs::create_directory_symlink(folder / "b", folder / "b");  // to itself
  fs::create_directory_symlink(elsewhere.path(), folder / "linked");
  fs::create_symlink(folder / "gone.png", folder / "dangling.png");
  const FolderScan scan = scan_folder(folder.path());
  REQUIRE(scan.names == Names{"a/1.png", "dangling.png", "linked/2.png"});
  const Dataset dataset = load_dataset(folder.path(), small_options());
  REQUIRE(dataset.report.used() == 2);
  REQUIRE_THAT(reason_of(dataset, "dangling.png"), Contains("no such file"));
}
#endif

TEST_CASE("Photos are cropped to the middle, resized and stored one after another", "[dataset]") {
  const TempFolder folder;
  put_photo(folder / "a.png", 1);
  put_photo(folder / "b.png", 2);
  put_photo(folder / "c.png", 3);
  DatasetOptions options = small_options();
  options.validation_fraction = 0;
  const Dataset dataset = load_dataset(folder.path(), options);
  const PhotoSet& train = dataset.train;
  REQUIRE(train.names == Names{"a.png", "b.png", "c.png"});
  REQUIRE(train.count() == 3);
  REQUIRE(train.size == 8);
  REQUIRE(train.pixels.size() == 3 * 8 * 8 * 3);
  for (int64_t i = 0; i < 3; ++i) {
    const Image expected = resize(center_crop_square(colored(static_cast<uint64_t>(i) + 1)), 8, 8);
    REQUIRE(train.image(i).pixels == expected.pixels);
  }
  REQUIRE(dataset.validation.count() == 0);
  REQUIRE(dataset.validation.pixels.empty());
}

TEST_CASE("Bad files are listed with their reasons and stop nothing", "[dataset]") {
  const TempFolder folder;
  put_photo(folder / "good1.png", 1);
  put_photo(folder / "good2.jpg", 2);
  put_photo(folder / "z copy.png", 1);
  write_text(folder / "text.png", "not a picture");
  write_text(folder / "empty.jpg", "");
  write_text(folder / "phone.heic", std::string("\0\0\0\x18"
                                                "ftypheic",
                                                12));
  const std::string whole = read_text(folder / "good2.jpg");
  write_text(folder / "sub" / "cut.jpg", whole.substr(0, whole.size() - 40));
  write_png(folder / "gray.png", Image(16, 16, 1));
  fs::create_directory(folder / "folder.png");
  write_text(folder / "readme.md", "x");

  const Dataset dataset = load_dataset(folder.path(), small_options());
  REQUIRE(dataset.report.found == 8);
  REQUIRE(dataset.report.used() == 2);
  REQUIRE(dataset.report.train == 1);
  REQUIRE(dataset.report.validation == 1);
  REQUIRE(reason_of(dataset, "z copy.png") == "the same content as good1.png");
  REQUIRE_THAT(reason_of(dataset, "text.png"), StartsWith("looks like text"));
  REQUIRE_THAT(reason_of(dataset, "empty.jpg"), StartsWith("looks like an empty file"));
  REQUIRE_THAT(reason_of(dataset, "phone.heic"), StartsWith("looks like HEIC"));
  REQUIRE_THAT(reason_of(dataset, "sub/cut.jpg"), Contains("cut off"));
  REQUIRE(reason_of(dataset, "gray.png") == "without colour");
  REQUIRE(dataset.report.count(BadKind::unreadable) == 4);
  REQUIRE(dataset.report.summary() ==
          "8 found, 2 used (1 for training, 1 for validation), 1 without colour, 4 unreadable, "
          "1 duplicates, 1 other files ignored");

  dataset.report.write_bad_files(folder / "bad_files.txt");
  const std::string list = read_text(folder / "bad_files.txt");
  REQUIRE(std::count(list.begin(), list.end(), '\n') == 6);
  REQUIRE_THAT(list, StartsWith("empty.jpg\tlooks like an empty file"));
  REQUIRE_THAT(list, Contains("\ngray.png\twithout colour\n"));
}

TEST_CASE("Gray photos are recognised through JPEG noise, tinted ones are not gray", "[dataset]") {
  Image image(32, 32, 3);
  Random random(5);
  const auto fill = [&](int red, int blue, int noise) {
    for (size_t i = 0; i < image.pixels.size(); i += 3) {
      const auto base = static_cast<int>(40 + random.below(150));
      const int offsets[] = {red, 0, blue};
      for (size_t c = 0; c < 3; ++c)
        image.pixels[i + c] = static_cast<uint8_t>(
            base + offsets[c] + static_cast<int>(random.below(static_cast<uint32_t>(noise + 1))));
    }
  };
  fill(0, 0, 0);
  REQUIRE(is_colorless(image));
  fill(0, 0, 3);
  REQUIRE(is_colorless(image));
  fill(20, -20, 3);  // sepia
  REQUIRE_FALSE(is_colorless(image));
  // Up to 1% of the pixels may be coloured: 10 of 1024 are, 11 are too many.
  fill(0, 0, 0);
  for (size_t i = 0; i < 10; ++i) image.pixels[3 * i] = 255;
  REQUIRE(is_colorless(image));
  image.pixels[3 * 10] = 255;
  REQUIRE_FALSE(is_colorless(image));
}

TEST_CASE("The split follows the content, not names or neighbours", "[dataset]") {
  const TempFolder folder, renamed;
  const Dataset dataset = load_many(folder, 100, 60, 0.3);
  std::set<uint64_t> validation(dataset.validation.hashes.begin(), dataset.validation.hashes.end());
  REQUIRE(validation.size() > 6);
  REQUIRE(validation.size() < 32);
  for (const uint64_t hash : dataset.validation.hashes) REQUIRE(hash % 1000 < 300);
  for (const uint64_t hash : dataset.train.hashes) REQUIRE(hash % 1000 >= 300);

  // The same photos under other names in other folders, and one photo more.
  int number = 0;
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    const fs::path to = renamed / str("class", number % 3, "/", 1000 - number, ".png");
    fs::create_directories(to.parent_path());
    fs::copy_file(entry.path(), to);
    ++number;
  }
  DatasetOptions options = small_options();
  options.validation_fraction = 0.3;
  const Dataset same = load_dataset(renamed.path(), options);
  REQUIRE(std::set<uint64_t>(same.validation.hashes.begin(), same.validation.hashes.end()) ==
          validation);
  REQUIRE(same.hash == dataset.hash);
  put_photo(renamed / "one more.png", 999);
  const Dataset more = load_dataset(renamed.path(), options);
  const std::set<uint64_t> grown(more.validation.hashes.begin(), more.validation.hashes.end());
  REQUIRE(std::includes(grown.begin(), grown.end(), validation.begin(), validation.end()));
  REQUIRE(more.report.used() == dataset.report.used() + 1);
  REQUIRE(more.hash != dataset.hash);
}

TEST_CASE("Pixels, names and hashes of both sides belong together", "[dataset]") {
  const TempFolder folder;
  const Dataset dataset = load_many(folder, 300, 40, 0.25);
  REQUIRE(dataset.report.used() == 40);
  for (const PhotoSet* set : {&dataset.train, &dataset.validation}) {
    REQUIRE(set->pixels.size() == static_cast<size_t>(set->count()) * set->photo_bytes());
    REQUIRE(std::is_sorted(set->names.begin(), set->names.end()));
    for (int64_t i = 0; i < set->count(); ++i) {
      const fs::path path = folder / set->names[static_cast<size_t>(i)];
      REQUIRE(set->image(i).pixels == to_square(read_photo(path), 8).pixels);
      REQUIRE(set->hashes[static_cast<size_t>(i)] == content_hash(read_bytes(path)));
    }
  }
}

TEST_CASE("Neither side of a split is empty where two photos exist", "[dataset]") {
  for (uint64_t seed = 0; seed < 8; ++seed)
    for (const double fraction : {0.0001, 0.999}) {
      const TempFolder folder;
      const Dataset dataset = load_many(folder, 10 * seed, 2, fraction);
      REQUIRE(dataset.train.count() == 1);
      REQUIRE(dataset.validation.count() == 1);
    }
  const TempFolder folder;
  put_photo(folder / "a.png", 1);
  DatasetOptions options = small_options();
  options.validation_fraction = 0.999;
  options.min_photos = 1;
  REQUIRE(load_dataset(folder.path(), options).train.count() == 1);
}

TEST_CASE("Loading gives the same bytes on any number of threads", "[dataset]") {
  const TempFolder folder;
  const int before = threads();
  set_threads(1);
  const Dataset one = load_many(folder, 500, 30, 0.2);
  set_threads(4);
  DatasetOptions options = small_options();
  options.validation_fraction = 0.2;
  const Dataset four = load_dataset(folder.path(), options);
  set_threads(before);
  REQUIRE(one.train.pixels == four.train.pixels);
  REQUIRE(one.validation.pixels == four.validation.pixels);
  REQUIRE(one.train.names == four.train.names);
}

TEST_CASE("Progress counts up to the number of files", "[dataset]") {
  const TempFolder folder;
  for (int i = 0; i < 12; ++i) put_photo(folder / str(i, ".png"), static_cast<uint64_t>(i));
  std::vector<std::pair<int64_t, int64_t>> steps, expected;
  load_dataset(folder.path(), small_options(),
               [&](int64_t done, int64_t total) { steps.emplace_back(done, total); });
  for (int64_t i = 1; i <= 12; ++i) expected.emplace_back(i, 12);
  REQUIRE(steps == expected);
}

TEST_CASE("A folder that cannot be used is named with what is wrong", "[dataset]") {
  const TempFolder folder;
  REQUIRE_THROWS_AS(load_dataset(folder / "none"), DataError);
  REQUIRE_THROWS_WITH(load_dataset(folder / "none"), Contains("none: no such folder"));
  REQUIRE_THROWS_WITH(load_dataset(folder.path()), Contains("0 photos to use, at least 2 needed"));
  write_text(folder / "a.txt", "x");
  REQUIRE_THROWS_WITH(load_dataset(folder / "a.txt"), Contains("a.txt: not a folder"));
  write_text(folder / "b.png", "x");
  put_photo(folder / "c.png", 1);
  put_photo(folder / "d.png", 1);
  REQUIRE_THROWS_AS(load_dataset(folder.path()), DataError);
  REQUIRE_THROWS_WITH(load_dataset(folder.path()),
                      Contains("1 photo to use, at least 2 needed (3 found, 1 used") &&
                          Contains("1 unreadable, 1 duplicates, 1 other files ignored"));
}

TEST_CASE("Options out of range are refused", "[dataset]") {
  const TempFolder folder;
  DatasetOptions options;
  options.size = 0;
  REQUIRE_THROWS_AS(load_dataset(folder.path(), options), UsageError);
  options.size = 128;
  options.validation_fraction = 1;
  REQUIRE_THROWS_AS(load_dataset(folder.path(), options), UsageError);
  options.validation_fraction = -0.1;
  REQUIRE_THROWS_AS(load_dataset(folder.path(), options), UsageError);
}

TEST_CASE("The content hash is 64-bit FNV-1a", "[dataset]") {
  // Test vectors of its authors (Fowler, Noll, Vo).
  const auto hash = [](const std::string& text) {
    return content_hash(std::vector<uint8_t>(text.begin(), text.end()));
  };
  REQUIRE(hash("") == 0xcbf29ce484222325u);
  REQUIRE(hash("a") == 0xaf63dc4c8601ec8cu);
  REQUIRE(hash("foobar") == 0x85944171f73967e8u);
}

}  // namespace
TEST_CASE("A part of a photo set is spread over all of it", "[dataset]") {
  PhotoSet photos;
  photos.size = 1;
  for (uint8_t i = 0; i < 10; ++i) {
    photos.pixels.insert(photos.pixels.end(), 3, i);
    photos.names.push_back(std::string(1, static_cast<char>('a' + i)));
    photos.hashes.push_back(i);
  }
  const PhotoSet some = photos.spread(4);
  CHECK(some.names == std::vector<std::string>{"a", "c", "f", "h"});
  CHECK(some.hashes == std::vector<uint64_t>{0, 2, 5, 7});
  CHECK(some.photo(3)[0] == 7);
  CHECK(photos.spread(100).names == photos.names);
  CHECK(photos.spread(0).count() == 0);
}

}  // namespace gan
