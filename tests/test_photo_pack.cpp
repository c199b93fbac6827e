// Packs of photos, and the original's folders of pairs.
#include <catch2/catch.hpp>
#include <functional>
#include <string>

#include "engine/error.h"
#include "model/tensor_file.h"
#include "tests/temp_folder.h"
#include "train/data/photo_pack.h"
#include "train/data/photo_pairs.h"
#include "train/image/color.h"

namespace gan {
namespace {

namespace fs = std::filesystem;

constexpr int kSide = 8;

// A folder with five photos that can be used, one copy of one of them, and a text.
void fill(const TempFolder& folder) {
  for (int i = 0; i < 5; ++i) {
    Image photo(20 + i, 16, 3);
    for (size_t k = 0; k < photo.pixels.size(); ++k)
      photo.pixels[k] = static_cast<uint8_t>(17 * k + 40 * (k % 3) * static_cast<size_t>(i + 1));
    const fs::path path = folder / str("photos/p", i % 2, "/", i, ".png");
    fs::create_directories(path.parent_path());
    write_png(path, photo);
  }
  fs::copy_file(folder / "photos/p0/0.png", folder / "photos/z.png");
  write_text(folder / "photos/bad.jpg", "no photo");
  write_text(folder / "photos/readme.txt", "x");
}

std::string refusal(const fs::path& path, int size = kSide) {
  try {
    read_photo_pack(path, size);
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

bool equal(const PhotoSet& a, const PhotoSet& b) {
  return a.size == b.size && a.pixels == b.pixels && a.names == b.names && a.hashes == b.hashes;
}

}  // namespace

TEST_CASE("a pack holds what its folder holds", "[dataset]") {
  const TempFolder folder;
  fill(folder);
  const fs::path pack = folder / "photos.pack";
  write_photo_pack(pack, collect_photos(folder / "photos", kSide));
  for (const double fraction : {0.0, 0.3, 0.9}) {
    const DatasetOptions options = {.size = kSide, .validation_fraction = fraction};
    const Dataset from_folder = load_dataset(folder / "photos", options);
    const Dataset from_pack = load_dataset(pack, options);
    CHECK(equal(from_pack.train, from_folder.train));
    CHECK(equal(from_pack.validation, from_folder.validation));
    CHECK(from_pack.hash == from_folder.hash);
    CHECK(from_pack.report.summary() == from_folder.report.summary());
    CHECK(from_pack.report.short_sides == from_folder.report.short_sides);
    REQUIRE(from_pack.report.bad.size() == 2);
    for (size_t i = 0; i < 2; ++i) {
      CHECK(from_pack.report.bad[i].path == from_folder.report.bad[i].path);
      CHECK(from_pack.report.bad[i].reason == from_folder.report.bad[i].reason);
      CHECK(from_pack.report.bad[i].kind == from_folder.report.bad[i].kind);
    }
  }
  CHECK(folder.entries() == 2);  // no temporary file stays
}

TEST_CASE("a pack whose parts do not fit together is refused with the reason", "[dataset]") {
  const TempFolder folder;
  fill(folder);
  const std::string path = (folder / "photos.pack").string();
  write_photo_pack(path, collect_photos(folder / "photos", kSide));
  TensorFile file = read_tensor_file(path);
  const auto at = [&](const std::string& name) -> FileTensor& {
    for (FileTensor& t : file.tensors)
      if (t.name == name) return t;
    throw InternalError("no tensor " + name);
  };
  const auto text = [&](const std::string& name, const std::string& content) {
    FileTensor& tensor = at(name);
    const auto* bytes = reinterpret_cast<const std::byte*>(content.data());
    tensor.data.assign(bytes, bytes + content.size());
    tensor.shape = {static_cast<int64_t>(content.size())};
  };
  const std::string zero(1, '\0');
  std::string expected;

  SECTION("another size") {
    CHECK_THAT(refusal(path, 16), Catch::Contains("photos of 8x8, needed are 16x16"));
  }
  SECTION("no pack") {
    file.metadata.clear();
    expected = "no pack of them";
  }
  SECTION("a later version") {
    file.metadata["pack_version"] = "2";
    expected = "version 2";
  }
  SECTION("pixels of another type") {
    at("pixels").dtype = "I8";
    expected = "pixels holds I8";
  }
  SECTION("no squares") {
    at("pixels").shape = {5, 8, 4, 6};
    expected = "no square photos";
  }
  SECTION("damaged pixels") {
    at("pixels").data[77] ^= std::byte{1};
    expected = "damaged";
  }
  SECTION("hashes for other photos") {
    at("hashes").data.resize(32);
    at("hashes").shape = {4};
    expected = "hashes has shape 4";
  }
  SECTION("too few names") {
    text("names", "a.png" + zero);
    expected = "1 names for 5 photos";
  }
  SECTION("a name that is cut off") {
    text("names", "a.png");
    expected = "cut off";
  }
  SECTION("names that lead elsewhere") {
    const std::string name = GENERATE("/etc/a", "../a", "a/../../b", "", "a/", "./a");
    std::string names;
    for (int i = 0; i < 4; ++i) names += str("A", i) + zero;
    text("names", name < "A" ? name + zero + names : names + name + zero);
    expected = "is not the name of a photo";
  }
  SECTION("names out of order") {
    text("names", "a" + zero + "b" + zero + "b" + zero + "c" + zero + "d" + zero);
    expected = "not in order";
  }
  SECTION("counts that cannot be") {
    file.metadata["found"] = GENERATE("4", "100", "-1");
    expected = "says that it was made of " + file.metadata["found"] + " files";
  }
  SECTION("counts that are no numbers") {
    file.metadata["found"] = GENERATE("many", "", "9999999999999999999999", "5 ");
    expected = "found is '" + file.metadata["found"] + "', expected a number";
  }
  SECTION("a bad file without a reason") {
    text("bad", "a" + zero + "b" + zero);
    expected = "bad files is cut off";
  }
  SECTION("a bad file of an unknown kind") {
    text("bad", "a" + zero + "b" + zero + "7" + zero);
    expected = "why 'a' is bad";
  }
  if (expected.empty()) return;
  write_tensor_file(path, file);
  CHECK_THAT(refusal(path), Catch::Contains(expected) && Catch::Contains(path));
}

TEST_CASE("pairs have the photos' names, and never one name for two photos", "[dataset]") {
  const TempFolder folder;
  PhotoSet photos;
  photos.size = 2;
  photos.names = {"a.jpg", "a.png", "b/a.png.jpg", "b/c"};
  for (uint8_t i = 0; i < 4; ++i) {
    photos.pixels.insert(photos.pixels.end(), 12, static_cast<uint8_t>(50 * i));
    photos.pixels.end()[-1] = 255;  // one coloured pixel
    photos.hashes.push_back(i);
  }
  require_no_pairs(folder.path());
  write_photo_pairs(folder.path(), photos);
  CHECK_THROWS_AS(require_no_pairs(folder.path()), UsageError);
  const char* names[] = {"a.png", "a-2.png", "b/a.png.png", "b/c.png"};
  for (int64_t i = 0; i < 4; ++i) {
    CHECK(read_photo(folder / "color" / names[i]).pixels == photos.image(i).pixels);
    const Image gray = read_photo(folder / "gray" / names[i]);
    CHECK(gray.pixels == gray_of(photos.image(i)).pixels);
    for (size_t k = 0; k < gray.pixels.size(); k += 3) {
      CHECK(gray.pixels[k] == gray.pixels[k + 1]);
      CHECK(gray.pixels[k] == gray.pixels[k + 2]);
    }
  }
  // Of pairs read again "color/" is no part of the name.
  for (std::string& name : photos.names) name = "color/" + name;
  write_photo_pairs(folder / "again", photos);
  CHECK(fs::exists(folder / "again/color/b/c.png"));
}

}  // namespace gan
