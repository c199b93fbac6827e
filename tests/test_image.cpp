#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <tuple>

#include "engine/error.h"
#include "engine/random.h"
#include "tests/temp_folder.h"
#include "train/image/image.h"
#include "train/photo/codec.h"
#include "train/photo/file_kind.h"

namespace gan {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;

using Bytes = std::vector<uint8_t>;

Bytes from_hex(const std::string& hex) {
  Bytes bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

Bytes from_text(std::string_view text) {
  return {text.begin(), text.end()};
}

Image noise(int width, int height, int channels, uint64_t seed) {
  Image image(width, height, channels);
  Random random(seed);
  for (uint8_t& v : image.pixels) v = static_cast<uint8_t>(random.below(256));
  return image;
}

// Soft colours that a JPEG keeps well.
Image gradient(int width, int height) {
  Image image(width, height, 3);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      uint8_t* p = image.at(x, y);
      p[0] = static_cast<uint8_t>(60 + 120 * x / width);
      p[1] = static_cast<uint8_t>(200 - 100 * y / height);
      p[2] = static_cast<uint8_t>(50 + 60 * (x + y) / (width + height));
    }
  return image;
}

// Uncompressed, 24 bits a pixel, bottom row first.
Bytes encode_bmp(const Image& image) {
  const auto row_bytes = (image.row_bytes() + 3) / 4 * 4;
  Bytes bytes(54 + row_bytes * static_cast<size_t>(image.height));
  const auto put = [&](size_t at, uint32_t value) {
    for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<uint8_t>(value >> (8 * i));
  };
  bytes[0] = 'B', bytes[1] = 'M';
  put(2, static_cast<uint32_t>(bytes.size()));
  put(10, 54);
  put(14, 40);
  put(18, static_cast<uint32_t>(image.width));
  put(22, static_cast<uint32_t>(image.height));
  bytes[26] = 1, bytes[28] = 24;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      for (size_t c = 0; c < 3; ++c)
        bytes[54 + row_bytes * static_cast<size_t>(image.height - 1 - y) +
              3 * static_cast<size_t>(x) + c] = image.at(x, y)[2 - c];
  return bytes;
}

Bytes encoded(const Image& image, const std::string& extension) {
  const TempFolder folder;
  write_photo(folder / ("a" + extension), image);
  return read_bytes(folder / ("a" + extension));
}

// The message with which decoding fails; empty when it does not.
std::string failure(const Bytes& content) {
  try {
    decode_photo(content, "x.png");
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("A PNG comes back exactly as it was written", "[image]") {
  const TempFolder folder;
  const Image image = noise(37, 21, 3, 1);
  write_png(folder / "a b \xc3\xbc.png", image);
  const Image back = read_photo(folder / "a b \xc3\xbc.png");
  REQUIRE(back.same_size(image));
  REQUIRE(back.pixels == image.pixels);
  REQUIRE(folder.entries() == 1);
}

TEST_CASE("Gray is replicated and alpha dropped", "[image]") {
  for (const int channels : {1, 2, 3, 4}) {
    const Image image = noise(5, 4, channels, 2);
    const Image back = decode_photo(encoded(image, ".png"), "a.png");
    REQUIRE(back.channels == 3);
    for (int y = 0; y < 4; ++y)
      for (int x = 0; x < 5; ++x)
        for (int c = 0; c < 3; ++c)
          REQUIRE(back.at(x, y)[c] == image.at(x, y)[channels < 3 ? 0 : c]);
  }
}

TEST_CASE("A JPEG comes back nearly as it was written", "[image]") {
  const Image image = gradient(100, 75);
  const Image back = decode_photo(encoded(image, ".JPG"), "a.jpg");
  REQUIRE(back.same_size(image));
  int worst = 0;
  for (size_t i = 0; i < image.pixels.size(); ++i)
    worst = std::max(worst, std::abs(image.pixels[i] - back.pixels[i]));
  REQUIRE(worst <= 6);
}

TEST_CASE("stb reads and writes JPEG and PNG where their libraries are missing", "[image]") {
  const Image image = gradient(40, 30);
  const PhotoLimits limits;
  const std::string name = "a";
  const auto worst = [&](const Image& other) {
    REQUIRE(other.same_size(image));
    int largest = 0;
    for (size_t i = 0; i < image.pixels.size(); ++i)
      largest = std::max(largest, std::abs(image.pixels[i] - other.pixels[i]));
    return largest;
  };
  const Photo photo = to_photo(image);
  for (const auto& [kind, content, allowed] :
       {std::tuple("JPEG", codec::encode_jpeg_stb(photo, {}), 6),
        std::tuple("PNG", codec::encode_png_stb(photo, {}), 0)}) {
    CAPTURE(kind);
    CHECK(worst(decode_photo(content, "a")) <= allowed);
    CHECK(worst(to_image(codec::decode_stb({content, name, kind, limits}).photo)) <= allowed);
    const Bytes part(content.begin(), content.end() - 9);
    REQUIRE_THROWS_WITH(codec::decode_stb({part, name, kind, limits}), Contains("cut off"));
  }
}

TEST_CASE("A BMP is read", "[image]") {
  const Image image = noise(5, 3, 3, 3);
  REQUIRE(decode_photo(encode_bmp(image), "a.bmp").pixels == image.pixels);
}

TEST_CASE("PNGs with 16 bits, a palette, and progressive gray JPEGs are read", "[image]") {
  // Two gray pixels, 0x1234 and 0xfedc.
  const Image deep = decode_photo(
      from_hex("89504e470d0a1a0a0000000d494844520000000200000001100000000081d9fc150000000d49444154"
               "78da631032f977070003c10221d2bd55220000000049454e44ae426082"),
      "deep.png");
  REQUIRE(deep.pixels == Bytes{0x12, 0x12, 0x12, 0xfe, 0xfe, 0xfe});
  // Colours 1 and 0 of {10, 20, 30}, {200, 100, 50}; the first is transparent.
  const Image palette = decode_photo(
      from_hex("89504e470d0a1a0a0000000d4948445200000002000000010803000000c3fc8fb800000006504c5445"
               "0a141ec8643277a0b39c0000000174524e530040e6d8660000000b4944415478da63606400000005"
               "000242c2449f0000000049454e44ae426082"),
      "palette.png");
  REQUIRE(palette.pixels == Bytes{200, 100, 50, 10, 20, 30});
  // 8x8 pixels of level 180.
  const Image progressive = decode_photo(
      from_hex("ffd8ffe000104a46494600010100000100010000ffdb00430003020203020203030303040303040508"
               "05050404050a070706080c0a0c0c0b0a0b0b0d0e12100d0e110e0b0b1016101113141515150c0f17"
               "1816141812141514ffc2000b080008000801011100ffc40014000100000000000000000000000000"
               "000007ffda000801010000000145ffc40014100100000000000000000000000000000000ffda0008"
               "0101000105027fffc40014100100000000000000000000000000000000ffda0008010100063f027f"
               "ffc40014100100000000000000000000000000000000ffda0008010100013f217fffda0008010100"
               "000010ff00ffc40014100100000000000000000000000000000000ffda0008010100013f107fffd9"),
      "progressive.jpg");
  REQUIRE(progressive.pixels == Bytes(8 * 8 * 3, 180));
}

TEST_CASE("Files that are no photos are named for what they are", "[image]") {
  using namespace std::string_literals;
  const std::pair<std::string, std::string> files[] = {
      {"", "an empty file"},
      {"hello, I am a text\r\n", "text"},
      {"BMW is a car", "text"},
      {"<!DOCTYPE HTML><title>404", "an HTML page"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"},
      {"\0\0\0\x18"s + "ftypheic", "HEIC"},
      {"\0\0\0\x18"s + "ftypavif", "AVIF"},
      {"\0\0\0\x18"s + "ftypisom", "a video"},
      {"%PDF-1.4\n", "PDF"},
      {"PK\3\4\x14\0"s, "a ZIP archive"},
      {std::string(100, '\0'), "unknown data"},
      {"\x89PN\r\n\0"s, "unknown data"},
  };
  for (const auto& [content, name] : files) {
    const std::string message = failure(from_text(content));
    INFO(name);
    REQUIRE(message == "x.png: looks like " + name + "; " + supported_photo_kinds());
  }
  REQUIRE_THAT(supported_photo_kinds(),
               StartsWith("JPEG, PNG, BMP, TGA") && EndsWith(" are supported"));
  REQUIRE(describe_content(from_text("RIFF\x10\0\0\0WEBPVP8 "s)) == "WebP");
  REQUIRE(describe_content(from_text("GIF89a\1\0\1\0"s)) == "GIF");
  REQUIRE(describe_content(from_text("II*\0\x08\0\0\0"s)) == "TIFF");
  REQUIRE(describe_content(from_text("MM\0*\0\0\0\x08"s)) == "TIFF");
}

TEST_CASE("A photo cut off at any place is refused", "[image]") {
  const Image image = gradient(24, 17);
  const auto check = [](const Bytes& whole, size_t smallest_bmp_loss) {
    for (size_t size = 0; size + smallest_bmp_loss < whole.size(); ++size) {
      const Bytes part(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
      if (failure(part).empty()) FAIL(size << " of " << whole.size() << " bytes were accepted");
    }
    REQUIRE(failure(whole).empty());
  };
  check(encoded(image, ".jpg"), 0);
  check(encoded(image, ".png"), 0);
  check(encode_bmp(image), 3);  // up to 3 bytes of the last row's padding may be missing
  const Bytes jpeg = encoded(image, ".jpg");
  REQUIRE_THAT(failure(Bytes(jpeg.begin(), jpeg.end() - 300)),
               Contains("x.png: a JPEG file, but cut off before its end"));
  Bytes padded(jpeg.begin(), jpeg.end() - 300);  // as an interrupted download leaves it
  padded.resize(jpeg.size(), 0);
  REQUIRE_THAT(failure(padded), Contains("cut off"));
}

TEST_CASE("A JPEG that ends in a preview's end marker is still cut off", "[image]") {
  // A preview sits in an application segment, with markers of its own.
  const Bytes preview = encoded(gradient(8, 8), ".jpg"), photo = encoded(gradient(40, 40), ".jpg");
  const size_t length = preview.size() + 2;
  Bytes both = {0xff,
                0xd8,
                0xff,
                0xe1,
                static_cast<uint8_t>(length >> 8),
                static_cast<uint8_t>(length & 255)};
  both.insert(both.end(), preview.begin(), preview.end());
  both.insert(both.end(), photo.begin() + 2, photo.end());
  REQUIRE(failure(both).empty());
  both.resize(both.size() - 100);
  REQUIRE_THAT(failure(both), Contains("cut off"));
}

TEST_CASE("A wrong bit in a PNG is noticed", "[image]") {
  Bytes png = encoded(gradient(24, 17), ".png");
  png[60] ^= 4;
  REQUIRE_THAT(failure(png), Contains("a PNG file, but damaged"));
}

TEST_CASE("Damaged photos are refused or decoded, and nothing worse", "[image]") {
  // Most of this test's worth lies in running it under a sanitizer.
  Random random(11);
  for (const Bytes& whole : {encoded(gradient(24, 17), ".jpg"), encode_bmp(gradient(9, 7))})
    for (int round = 0; round < 1500; ++round) {
      Bytes damaged = whole;
      const uint32_t changes = 1 + random.below(8);
      for (uint32_t i = 0; i < changes; ++i)
        damaged[random.below(static_cast<uint32_t>(damaged.size()))] =
            static_cast<uint8_t>(random.below(256));
      // Sizes of hundreds of megapixels are legal in a header, and slow.
      if (damaged.size() > 200 && whole[0] == 0xff) std::copy_n(&whole[0], 180, &damaged[0]);
      if (whole[0] == 'B') std::copy_n(&whole[18], 8, &damaged[18]);
      failure(damaged);
    }
}

TEST_CASE("Code tables that would overrun stb's memory are refused", "[image]") {
  // 16 counts of 255 codes.
  Bytes jpeg = {0xff, 0xd8, 0xff, 0xc4, 0x10, 0x03, 0x00};
  jpeg.insert(jpeg.end(), 16, 255);
  jpeg.insert(jpeg.end(), 16 * 255, 0);
  jpeg.insert(jpeg.end(), {0xff, 0xd9});
  REQUIRE_THAT(find_damage(jpeg), Contains("a code table that does not fit"));
  REQUIRE_THAT(failure(jpeg), Contains("a JPEG file"));
}

TEST_CASE("A JPEG without code tables, as in some videos, is none for stb", "[image]") {
  Bytes jpeg = encoded(gradient(8, 8), ".jpg");
  const std::array<uint8_t, 2> tables = {0xff, 0xc4};
  int found = 0;
  for (auto at = jpeg.begin();
       (at = std::search(at, jpeg.end(), tables.begin(), tables.end())) != jpeg.end(); ++found)
    at[1] = 0xfe;  // a comment
  REQUIRE(found > 0);
  REQUIRE_THAT(find_damage(jpeg), Contains("without its code tables"));
}

TEST_CASE("Photos beyond the limit are refused before memory is taken", "[image]") {
  const int most = PhotoLimits().max_side;
  REQUIRE_THAT(
      failure(encoded(Image(most + 1, 1, 1), ".png")),
      Contains("65501x1 pixels; the limits are 65500 pixels a side and 150 million in all"));
  REQUIRE(failure(encoded(Image(most, 1, 1), ".png")).empty());
  Bytes jpeg = encoded(gradient(8, 8), ".jpg");
  const std::array<uint8_t, 5> frame = {0xff, 0xc0, 0x00, 0x11, 0x08};
  const auto at = std::search(jpeg.begin(), jpeg.end(), frame.begin(), frame.end());
  REQUIRE(at != jpeg.end());
  for (const int i : {5, 7}) at[i] = 0xfd, at[i + 1] = 0xe8;
  REQUIRE_THAT(failure(jpeg), Contains("65000x65000 pixels; the limits are"));
}

TEST_CASE("What cannot be read is named with the reason", "[image]") {
  const TempFolder folder;
  REQUIRE_THROWS_AS(read_photo(folder / "none.jpg"), DataError);
  REQUIRE_THROWS_WITH(read_photo(folder / "none.jpg"),
                      EndsWith("none.jpg: cannot read: no such file"));
  REQUIRE_THROWS_WITH(read_photo(folder.path()), EndsWith("it is a folder"));
#ifndef _WIN32
  REQUIRE_THROWS_WITH(read_photo("/dev/zero"), EndsWith("it is not an ordinary file"));
  fs::create_symlink(folder / "loop.png", folder / "loop.png");
  REQUIRE_THROWS_AS(read_photo(folder / "loop.png"), DataError);
#endif
  write_text(folder / "text.png", "not a picture\n");
  REQUIRE_THROWS_WITH(read_photo(folder / "text.png"), Contains("text.png: looks like text"));
}

TEST_CASE("The extension decides how a photo is written", "[image]") {
  const TempFolder folder;
  const Image image = gradient(8, 8);
  for (const char* name : {"a.png", "a.PNG", "a.jpg", "a.jpeg"}) write_photo(folder / name, image);
  REQUIRE(describe_content(read_bytes(folder / "a.PNG")) == "PNG");
  REQUIRE(describe_content(read_bytes(folder / "a.jpeg")) == "JPEG");
  REQUIRE_THROWS_AS(write_photo(folder / "a.bmp", image), UsageError);
  REQUIRE_THROWS_AS(write_photo(folder / "a", image), UsageError);
  REQUIRE_THROWS_AS(write_png(folder / "missing" / "a.png", image), DataError);
  REQUIRE_THROWS_AS(write_png(folder / "a.png", Image()), InternalError);
#ifndef _WIN32
  if (const fs::path full = full_device(folder); !full.empty())
    REQUIRE_THROWS_WITH(write_png(full, image), Contains("No space left"));
#endif
}

TEST_CASE("Resizing to the same size changes nothing", "[image]") {
  for (const int channels : {1, 2, 3, 4}) {
    const Image image = noise(31, 17, channels, 4);
    REQUIRE(resize(image, 31, 17).pixels == image.pixels);
  }
}

TEST_CASE("Shrinking by a whole factor averages whole blocks", "[image]") {
  const Image image = noise(12, 9, 3, 5);
  const Image small = resize(image, 4, 3);
  for (int y = 0; y < 3; ++y)
    for (int x = 0; x < 4; ++x)
      for (int c = 0; c < 3; ++c) {
        int sum = 0;
        for (int k = 0; k < 9; ++k) sum += image.at(3 * x + k % 3, 3 * y + k / 3)[c];
        REQUIRE(small.at(x, y)[c] == (sum * 2 + 9) / 18);
      }
}

TEST_CASE("Shrinking counts pixels by the area they share", "[image]") {
  // 5 pixels onto 2: the middle one belongs half to each. (0 + 10 + 100/2) / 2.5 = 24,
  // (100/2 + 30 + 200) / 2.5 = 112.
  Image row(5, 1, 1);
  row.pixels = {0, 10, 100, 30, 200};
  REQUIRE(resize(row, 2, 1).pixels == Bytes{24, 112});
  Image column(1, 5, 1);
  column.pixels = row.pixels;
  REQUIRE(resize(column, 1, 2).pixels == Bytes{24, 112});
}

TEST_CASE("Enlarging interpolates between pixel centres and clamps at the edges", "[image]") {
  // New centres at -0.25, 0.25, 0.75, 1.25 of the old axis.
  Image row(2, 1, 1);
  row.pixels = {0, 100};
  REQUIRE(resize(row, 4, 1).pixels == Bytes{0, 25, 75, 100});
  REQUIRE(resize(row, 4, 3).pixels == Bytes{0, 25, 75, 100, 0, 25, 75, 100, 0, 25, 75, 100});
}

TEST_CASE("One colour stays that colour at every size", "[image]") {
  for (const uint8_t level : {0, 1, 127, 254, 255}) {
    Image image(97, 61, 3);
    std::fill(image.pixels.begin(), image.pixels.end(), level);
    for (const auto& [width, height] :
         {std::pair{1, 1}, {128, 128}, {13, 200}, {300, 7}, {96, 62}}) {
      const Image other = resize(image, width, height);
      REQUIRE(other.pixels == Bytes(other.pixels.size(), level));
    }
  }
}

TEST_CASE("Shrinking keeps the mean", "[image]") {
  const Image image = noise(227, 227, 1, 6), small = resize(image, 128, 128);
  const auto mean = [](const Image& i) {
    double sum = 0;
    for (const uint8_t v : i.pixels) sum += v;
    return sum / static_cast<double>(i.pixels.size());
  };
  REQUIRE(mean(small) == Approx(mean(image)).margin(0.02));
}

TEST_CASE("Extreme shapes can be resized", "[image]") {
  REQUIRE(resize(noise(1, 5000, 3, 7), 128, 128).pixels.size() == 128 * 128 * 3);
  REQUIRE(resize(noise(5000, 1, 3, 8), 128, 128).pixels.size() == 128 * 128 * 3);
  REQUIRE_THROWS_AS(resize(noise(4, 4, 3, 9), 0, 4), InternalError);
  REQUIRE_THROWS_AS(resize(Image(), 4, 4), InternalError);
}

TEST_CASE("Cropping takes the middle square", "[image]") {
  Image wide(5, 2, 1);
  wide.pixels = {0, 1, 2, 3, 4, 10, 11, 12, 13, 14};
  REQUIRE(center_crop_square(wide).pixels == Bytes{1, 2, 11, 12});
  Image tall(1, 4, 1);
  tall.pixels = {5, 6, 7, 8};
  REQUIRE(center_crop_square(tall).pixels == Bytes{6});
  const Image square = noise(6, 6, 3, 10);
  REQUIRE(center_crop_square(square).pixels == square.pixels);
}

}  // namespace
}  // namespace gan
