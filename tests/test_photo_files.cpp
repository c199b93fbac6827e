// Photo files of every kind: read, turned upright, coloured, written, and nothing lost on the way.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <jpeglib.h>

#include "engine/error.h"
#include "kernels/device.h"
#include "model/generator.h"
#include "tests/photo_corpus.h"
#include "tests/temp_folder.h"
#include "train/color/colorizer.h"
#include "train/image/color.h"
#include "train/photo/exif.h"
#include "train/photo/photo.h"
#include "train/photo/upright.h"

namespace gan {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Bytes = std::vector<uint8_t>;

constexpr const char* kDate = "2019:05:31 14:03:59";

// In 8-bit levels, whatever the photo has.
double luma_at(const Photo& photo, size_t i) {
  const auto sample = [&](size_t at) {
    return photo.bits == 8 ? static_cast<double>(photo.samples[at])
                           : static_cast<double>(photo.deep_samples[at]);
  };
  const double luma = photo.channels == 1 ? sample(i)
                                          : 0.299 * sample(3 * i) + 0.587 * sample(3 * i + 1) +
                                                0.114 * sample(3 * i + 2);
  return photo.bits == 8 ? luma : luma / 257;
}

double largest_luma_difference(const Photo& a, const Photo& b) {
  REQUIRE(a.width == b.width);
  REQUIRE(a.height == b.height);
  double largest = 0;
  for (size_t i = 0; i < a.pixels(); ++i)
    largest = std::max(largest, std::abs(luma_at(a, i) - luma_at(b, i)));
  return largest;
}

double mean_luma_difference(const Photo& a, const Photo& b) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels(); ++i) sum += std::abs(luma_at(a, i) - luma_at(b, i));
  return sum / static_cast<double>(a.pixels());
}

// A small network with random weights.
struct Painter {
  Device device = open_device({});
  std::unique_ptr<Generator> generator;
  Colorizer colorizer;

  explicit Painter(ColorHead head = ColorHead::chroma64)
      : generator(make_generator("gan", 4, head)), colorizer(device, *generator) {
    generator->parameters().allocate(device.memory, DType::f32, Use::inference);
    generator->parameters().initialize(3);
  }
};

struct Kind {
  const char* file;
  int channels, bits;
  bool alpha = false;
  double worst = 1;  // difference in luma, in levels; mean for what is lossy
  bool lossy = false;
};

constexpr Kind kKinds[] = {
    {"base.png", 3, 8},
    {"png_gray.png", 1, 8, false, 1.1},
    {"png_gray_interlaced.png", 1, 8, false, 1.1},
    {"png_gray16.png", 1, 16, false, 1.1},
    {"png_gray16_interlaced.png", 1, 16, false, 1.1},
    {"png_gray_alpha.png", 1, 8, true, 1.1},
    {"png_gray_alpha_interlaced.png", 1, 8, true, 1.1},
    {"png_gray_alpha16.png", 1, 16, true, 1.1},
    {"png_gray_alpha16_interlaced.png", 1, 16, true, 1.1},
    {"png_rgb.png", 3, 8},
    {"png_rgb_interlaced.png", 3, 8},
    {"png_rgb16.png", 3, 16},
    {"png_rgb16_interlaced.png", 3, 16},
    {"png_rgba.png", 3, 8, true},
    {"png_rgba_interlaced.png", 3, 8, true},
    {"png_rgba16.png", 3, 16, true},
    {"png_rgba16_interlaced.png", 3, 16, true},
    {"png_palette.png", 3, 8},
    {"png_palette_interlaced.png", 3, 8},
    {"jpeg.jpg", 3, 8, false, 2, true},
    {"jpeg_420.jpg", 3, 8, false, 4, true},
    {"jpeg_progressive.jpg", 3, 8, false, 2, true},
    {"jpeg_gray.jpg", 1, 8, false, 2, true},
    {"jpeg_gray_progressive.jpg", 1, 8, false, 2, true},
    {"jpeg_cmyk.jpg", 3, 8, false, 4, true},
    {"bmp.bmp", 3, 8},
    {"bmp_palette.bmp", 3, 8},
    {"bmp_alpha.bmp", 3, 8, true},
    {"tga.tga", 3, 8},
    {"tga_rle.tga", 3, 8},
    {"tga_gray.tga", 1, 8, false, 1.1},
    {"tga_alpha.tga", 3, 8, true},
    {"gif.gif", 3, 8},
    {"gif_animated.gif", 3, 8},
    {"webp_lossless.webp", 3, 8},
    {"webp.webp", 3, 8, false, 4, true},
    {"webp_alpha.webp", 3, 8, true},
    {"tiff.tif", 3, 8},
    {"tiff_lzw.tif", 3, 8},
    {"tiff_tiled.tif", 3, 8},
    {"tiff_rgb16.tif", 3, 16},
    {"tiff_planar.tif", 3, 8},
    {"tiff_jpeg.tif", 3, 8, false, 4, true},
    {"tiff_gray.tif", 1, 8, false, 1.1},
    {"tiff_gray16.tif", 1, 16, false, 1.1},
    {"tiff_alpha.tif", 3, 8, true},
    {"tiff_palette.tif", 3, 8},
    {"tiff_cmyk.tif", 3, 8, false, 2},
};

// A JPEG of one colour in four inks, which no other program here writes in all its ways. `adobe`: with
// Adobe's marker, so the numbers are the light that the inks let through, not their amount.
Bytes ink_jpeg(const std::array<uint8_t, 4>& ink, bool ycck, bool adobe) {
  constexpr int kSide = 16;
  jpeg_compress_struct info{};
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* encoded = nullptr;
  unsigned long count = 0;
  jpeg_mem_dest(&info, &encoded, &count);
  info.image_width = info.image_height = kSide;
  info.input_components = 4;
  info.in_color_space = JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_colorspace(&info, ycck ? JCS_YCCK : JCS_CMYK);
  info.write_Adobe_marker = adobe ? TRUE : FALSE;
  jpeg_set_quality(&info, 98, TRUE);
  jpeg_start_compress(&info, TRUE);
  Bytes row;
  for (int x = 0; x < kSide; ++x) row.insert(row.end(), ink.begin(), ink.end());
  uint8_t* rows[] = {row.data()};
  for (int y = 0; y < kSide; ++y) jpeg_write_scanlines(&info, rows, 1);
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  const Bytes jpeg(encoded, encoded + count);
  std::free(encoded);
  return jpeg;
}

bool can_read(const std::string& file) {
  const std::string kinds = supported_photo_kinds();
  if (file.ends_with(".webp")) return kinds.find("WebP") != std::string::npos;
  if (file.ends_with(".tif")) return kinds.find("TIFF") != std::string::npos;
  return true;
}

void check_alpha(const Photo& photo, const Photo& base_alpha) {
  for (size_t i = 0; i < photo.pixels(); ++i) {
    const int found = photo.bits == 8 ? photo.alpha[i] : photo.deep_alpha[i] / 257;
    if (found != base_alpha.alpha[i]) FAIL("alpha " << found << " of pixel " << i);
  }
}

void check_alpha_is_kept(const Photo& photo, const Photo& written) {
  REQUIRE(written.alpha == photo.alpha);
  REQUIRE(written.deep_alpha == photo.deep_alpha);
}

}  // namespace

TEST_CASE("every kind of file is read, coloured and written without loss", "[photo]") {
  const fs::path& corpus = photo_corpus();
  const Photo base = read_photo_file(corpus / "base.png");
  const Photo base_alpha = read_photo_file(corpus / "base_alpha.png");
  Painter painter;
  const TempFolder folder;
  for (const Kind& kind : kKinds) {
    CAPTURE(kind.file);
    if (!can_read(kind.file)) {
      CHECK_THROWS_WITH(read_photo_file(corpus / kind.file), Contains("looks like"));
      continue;
    }
    const Photo photo = read_photo_file(corpus / kind.file);
    require_valid(photo);
    CAPTURE(photo.kind);
    CHECK(photo.width == 45);
    CHECK(photo.height == 31);
    CHECK(photo.channels == kind.channels);
    CHECK(photo.bits == kind.bits);
    CHECK(photo.has_alpha() == kind.alpha);
    CHECK((kind.lossy ? mean_luma_difference(photo, base) : largest_luma_difference(photo, base)) <=
          kind.worst);
    if (photo.has_alpha()) check_alpha(photo, base_alpha);

    write_photo_file(folder / "out.png", painter.colorizer.colorize(photo));
    const Photo written = read_photo_file(folder / "out.png");
    CHECK(written.channels == 3);
    CHECK(written.bits == photo.bits);
    CHECK(largest_luma_difference(written, photo) <= (photo.bits == 8 ? 1 : 1 / 257.0));
    check_alpha_is_kept(photo, written);
    // It is coloured, too.
    double chroma = 0;
    const Image image = to_image(written);
    for (size_t i = 0; i < image.pixels.size(); i += 3) {
      const uint8_t* p = &image.pixels[i];
      const YCbCr c = to_ycbcr(p[0], p[1], p[2]);
      chroma += std::hypot(c.cb, c.cr);
    }
    CHECK(chroma / static_cast<double>(photo.pixels()) > 0.5);
  }
}

TEST_CASE("transparent palettes and two-coloured pictures are read", "[photo]") {
  const fs::path& corpus = photo_corpus();
  const Photo base_alpha = read_photo_file(corpus / "base_alpha.png");
  const Photo palette = read_photo_file(corpus / "png_palette_alpha.png");
  REQUIRE(palette.channels == 3);
  REQUIRE(palette.has_alpha());
  for (size_t i = 0; i < palette.pixels(); ++i)
    if (palette.alpha[i] != (base_alpha.alpha[i] > 127 ? 255 : 0)) FAIL("alpha of pixel " << i);

  const Photo bilevel = read_photo_file(corpus / "png_bilevel.png");
  REQUIRE(bilevel.channels == 1);
  for (const uint8_t level : bilevel.samples) REQUIRE((level == 0 || level == 255));
  REQUIRE(std::count(bilevel.samples.begin(), bilevel.samples.end(), 255) > 100);
  if (can_read(".tif"))
    REQUIRE(largest_luma_difference(read_photo_file(corpus / "tiff_bilevel.tif"), bilevel) < 0.01);
}

TEST_CASE("inks become light, in each of the ways JPEG files hold them", "[photo]") {
  // Light 200, 100 and 50 of 255 through cyan, magenta and yellow, 204 through black.
  const auto check = [](const Bytes& jpeg) {
    const Photo photo = decode_photo_file(jpeg, "ink.jpg");
    REQUIRE(photo.channels == 3);
    const int expected[] = {160, 80, 40};
    for (size_t i = 0; i < photo.samples.size(); ++i)
      if (std::abs(photo.samples[i] - expected[i % 3]) > 3) FAIL("level " << +photo.samples[i]);
  };
  check(ink_jpeg({200, 100, 50, 204}, false, true));
  check(ink_jpeg({200, 100, 50, 204}, true, true));
  check(ink_jpeg({55, 155, 205, 51}, false, false));
}

TEST_CASE("a compressed BMP is refused in words", "[photo]") {
  REQUIRE_THROWS_WITH(read_photo_file(photo_corpus() / "bmp_compressed.bmp"),
                      Contains("a BMP file, but compressed, which is not supported; JPEG"));
}

TEST_CASE("photos are turned upright, whatever the file says, and stay so", "[photo]") {
  const fs::path& corpus = photo_corpus();
  const Photo base = read_photo_file(corpus / "base.png");
  const bool exif = !make_exif(kDate).empty();
  Painter painter;
  const TempFolder folder;
  for (int orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    const std::string name = "turned_" + std::to_string(orientation);
    const Bytes jpeg = read_bytes(corpus / (name + ".jpg"));
    const Bytes png = read_bytes(corpus / (name + ".png"));
    if (can_read(".tif"))
      CHECK(largest_luma_difference(read_photo_file(corpus / (name + ".tif")), base) == 0);
    for (const bool big_endian : {false, true}) {
      const Bytes block = exif_block(orientation, kDate, big_endian);
      CHECK(read_exif(block.data(), block.size()).orientation == (exif ? orientation : 1));
      if (!exif) continue;
      const Photo from_jpeg =
          decode_photo_file(with_segment(jpeg, 0xe1, std::string("Exif\0\0", 6), block), "a.jpg");
      REQUIRE(from_jpeg.width == 45);
      CHECK(mean_luma_difference(from_jpeg, base) < 2);
      CHECK(from_jpeg.metadata.date == kDate);
      const Photo from_png = decode_photo_file(with_chunk(png, "eXIf", block), "a.png");
      CHECK(largest_luma_difference(from_png, base) == 0);
      CHECK(from_png.metadata.date == kDate);
      if (can_read(".webp")) {
        const Bytes webp = read_bytes(corpus / (name + ".webp"));
        const bool lying = orientation >= 5;
        const Photo from_webp = decode_photo_file(
            with_webp_exif(webp, lying ? 31 : 45, lying ? 45 : 31, block), "a.webp");
        CHECK(largest_luma_difference(from_webp, base) == 0);
        CHECK(from_webp.metadata.date == kDate);
      }
      // What is written has the date, and nothing that would turn it again.
      for (const char* written : {"out.png", "out.jpg"}) {
        write_photo_file(folder / written, painter.colorizer.colorize(from_png));
        const Photo back = read_photo_file(folder / written);
        CHECK(back.metadata.date == kDate);
        if (back.kind == "JPEG") {
          CHECK(mean_luma_difference(back, base) < 2);
        } else {
          CHECK(largest_luma_difference(back, base) <= 1);
        }
      }
    }
  }
}

TEST_CASE("turning moves samples and alpha as EXIF defines it", "[photo]") {
  // 1 2 3 over 4 5 6, in the file.
  Photo photo;
  photo.width = 3;
  photo.height = 2;
  photo.bits = 16;
  photo.deep_samples = {1, 2, 3, 4, 5, 6};
  photo.deep_alpha = {11, 12, 13, 14, 15, 16};
  const std::vector<uint16_t> expected[] = {
      {1, 2, 3, 4, 5, 6}, {3, 2, 1, 6, 5, 4}, {6, 5, 4, 3, 2, 1}, {4, 5, 6, 1, 2, 3},
      {1, 4, 2, 5, 3, 6}, {4, 1, 5, 2, 6, 3}, {6, 3, 5, 2, 4, 1}, {3, 6, 2, 5, 1, 4}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    const Photo turned = upright(photo, orientation);
    REQUIRE(turned.width == (orientation < 5 ? 3 : 2));
    std::vector<uint16_t> alpha = expected[orientation - 1];
    REQUIRE(turned.deep_samples == alpha);
    for (uint16_t& a : alpha) a = static_cast<uint16_t>(a + 10);
    REQUIRE(turned.deep_alpha == alpha);
  }
}

TEST_CASE("date, profile and notes reach the output", "[photo]") {
  const TempFolder folder;
  Photo photo = read_photo_file(photo_corpus() / "base.png");
  photo.metadata.icc = some_profile("RGB ");
  photo.metadata.date = kDate;
  EncodeOptions options;
  options.texts = {{"Software", "gan"}, {"Comment", "gr\xc3\xbc\xc3\x9f"}};
  for (const char* name : {"a.png", "a.jpg", "a.webp"}) {
    if (!is_writable_photo_name(name)) continue;
    CAPTURE(name);
    write_photo_file(folder / name, photo, options);
    const Photo back = read_photo_file(folder / name);
    CHECK(back.metadata.icc == photo.metadata.icc);
    CHECK(back.metadata.date == kDate);
    CHECK(mean_luma_difference(back, photo) < 4);
    // A profile for gray does not describe colours.
    Photo gray = photo;
    gray.metadata.icc = some_profile("GRAY");
    write_photo_file(folder / name, gray, options);
    CHECK(read_photo_file(folder / name).metadata.icc.empty());
  }
  for (const char* name : {"a.png", "a.jpg"}) {
    const std::string content = read_text(folder / name);
    CHECK_THAT(content, Contains("Software") && Contains("gan"));
    CHECK_THAT(content, Contains("gr\xc3\xbc\xc3\x9f"));
  }
  REQUIRE_THROWS_WITH(write_photo_file(folder / "a.gif", photo),
                      Contains("end the name in .png, .jpg"));
  REQUIRE_FALSE(fs::exists(folder / "a.gif"));
}

TEST_CASE("16 bits become 8 where the format has no more", "[photo]") {
  const TempFolder folder;
  Photo photo;
  photo.width = 256;
  photo.height = 1;
  photo.bits = 16;
  for (int i = 0; i < 256; ++i) photo.deep_samples.push_back(static_cast<uint16_t>(257 * i));
  write_photo_file(folder / "a.jpg", photo, {.quality = 100, .texts = {}});
  const Photo back = read_photo_file(folder / "a.jpg");
  REQUIRE(back.bits == 8);
  REQUIRE(largest_luma_difference(back, photo) <= 2);
}

TEST_CASE("every kind of file is refused when it is cut off", "[photo]") {
  const fs::path& corpus = photo_corpus();
  int refused = 0;
  for (const auto& entry : fs::directory_iterator(corpus)) {
    const std::string file = entry.path().filename().string();
    const Bytes whole = read_bytes(entry.path());
    for (size_t eighths = 1; eighths < 8; ++eighths) {
      // Later frames of an animation are not looked at.
      if (file == "gif_animated.gif" && eighths >= 4) continue;
      const Bytes part(whole.begin(),
                       whole.begin() + static_cast<ptrdiff_t>(whole.size() * eighths / 8));
      CAPTURE(file, eighths);
      REQUIRE_THROWS_AS(decode_photo_file(part, file), DataError);
      ++refused;
    }
  }
  REQUIRE(refused > 400);
}

TEST_CASE("odd sizes keep their pixels and their luma", "[photo]") {
  Painter painter;
  const TempFolder folder;
  for (const auto& [width, height] :
       {std::pair{1, 1}, {1, 5000}, {5000, 1}, {129, 127}, {2, 3}, {640, 20}}) {
    Photo photo;
    photo.width = width;
    photo.height = height;
    for (int i = 0; i < width * height; ++i)
      photo.samples.push_back(static_cast<uint8_t>((i * 7 + i / width * 13) % 256));
    CAPTURE(width, height);
    write_photo_file(folder / "out.png", painter.colorizer.colorize(photo));
    CHECK(largest_luma_difference(read_photo_file(folder / "out.png"), photo) <= 1);
  }
}

TEST_CASE("work images show the whole photo, in sizes the network takes", "[photo]") {
  const auto work_size = [](const Painter& painter, int width, int height, int side) {
    Photo photo;
    photo.width = width;
    photo.height = height;
    photo.samples.resize(photo.pixels(), 100);
    const Image work = painter.colorizer.work_image(photo, side);
    REQUIRE(work.channels == 1);
    REQUIRE(*std::min_element(work.pixels.begin(), work.pixels.end()) == 100);
    return std::pair(work.width, work.height);
  };
  // This network takes multiples of 32.
  const Painter painter;
  CHECK(work_size(painter, 300, 300, 128) == std::pair(128, 128));
  CHECK(work_size(painter, 640, 480, 128) == std::pair(128, 96));
  CHECK(work_size(painter, 480, 640, 128) == std::pair(96, 128));
  CHECK(work_size(painter, 30, 20, 128) == std::pair(160, 96));
  CHECK(work_size(painter, 9000, 16000, 128) == std::pair(96, 160));
  CHECK(work_size(painter, 640, 480, 256) == std::pair(288, 224));
  CHECK(work_size(painter, 5000, 1, 128) == std::pair(512, 32));
  CHECK(work_size(painter, 1, 5000, 1024) == std::pair(256, 4096));
  CHECK(work_size(painter, 1, 1, 16) == std::pair(32, 32));
  // This one takes multiples of 8.
  const Painter fine(ColorHead::rgb);
  CHECK(work_size(fine, 640, 480, 128) == std::pair(152, 112));
  CHECK(work_size(fine, 400, 100, 128) == std::pair(256, 64));
}

TEST_CASE("limits are checked on the header, and the header is announced", "[photo]") {
  const fs::path png = photo_corpus() / "png_rgb16.png";
  PhotoLimits limits;
  limits.max_pixels = 45 * 31 - 1;
  REQUIRE_THROWS_WITH(read_photo_file(png, limits), Contains("45x31 pixels; the limits are"));
  limits = {};
  limits.max_side = 44;
  REQUIRE_THROWS_AS(read_photo_file(png, limits), DataError);
  limits = {};
  limits.max_file_bytes = 10;
  REQUIRE_THROWS_WITH(read_photo_file(png, limits), Contains("more than the limit"));
  limits = {};
  std::vector<int> header;
  limits.on_header = [&](int width, int height, int channels, int bits) {
    header = {width, height, channels, bits};
  };
  read_photo_file(png, limits);
  REQUIRE(header == std::vector<int>{45, 31, 3, 16});
  REQUIRE(bytes_needed(6000, 4000, 3, 8) < (size_t{700} << 20));
}

TEST_CASE("EXIF that is damaged or strange has no facts, and does no harm", "[photo]") {
  if (make_exif(kDate).empty()) return;  // built without libexif
  const Bytes made = make_exif(kDate);
  REQUIRE(read_exif(made.data(), made.size()).date == kDate);
  REQUIRE(read_exif(made.data(), made.size()).orientation == 1);
  REQUIRE(make_exif("").empty());
  REQUIRE(make_exif("yesterday").empty());
  const Bytes block = exif_block(6, kDate, true);
  for (size_t size = 0; size < block.size(); ++size) read_exif(block.data(), size);
  const Bytes strange = exif_block(9, "    :  :     :  :  ", false);
  REQUIRE(read_exif(strange.data(), strange.size()).orientation == 1);
  REQUIRE(read_exif(strange.data(), strange.size()).date.empty());
}

TEST_CASE("names tell what is a photo and what can be written", "[photo]") {
  for (const char* name : {"a.JPG", "b/c.jpeg", "x.Png", "x.tif", "x.webp", "x.heic", "x.tga"})
    CHECK(is_photo_file_name(name));
  for (const char* name : {"a.txt", "jpg", ".png/x", "a.bin", "a"})
    CHECK_FALSE(is_photo_file_name(name));
  CHECK(is_writable_photo_name("a.PNG"));
  CHECK(is_writable_photo_name("a.jpeg"));
  CHECK_FALSE(is_writable_photo_name("a.bmp"));
}

}  // namespace gan
