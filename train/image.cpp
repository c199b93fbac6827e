#include "train/image.h"

#define STBI_NO_STDIO
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>

#include "engine/atomic_file.h"
#include "engine/error.h"
#include "train/image_format.h"

namespace gan {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSupported = "JPEG, PNG and BMP are supported";

// An uncompressed photo of the largest size takes less.
constexpr uintmax_t kMaxFileBytes = uintmax_t{1} << 30;

std::string lower_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return extension;
}

void append(void* encoded, void* data, int bytes) {
  auto& to = *static_cast<std::vector<uint8_t>*>(encoded);
  const auto* from = static_cast<const uint8_t*>(data);
  to.insert(to.end(), from, from + bytes);
}

// The whole file is encoded before the disk is touched: an exception must not pass through the
// encoder, which would leak its memory.
void write_encoded(const fs::path& path, bool complete, const std::vector<uint8_t>& encoded) {
  if (!complete) throw DeviceError(str(path.string(), ": not enough memory to encode the picture"));
  AtomicFile file(path);
  file.write(encoded.data(), encoded.size());
  file.commit();
}

}  // namespace

Image::Image(int width, int height, int channels)
    : width(width), height(height), channels(channels) {
  require(width > 0 && height > 0 && channels > 0 && channels <= 4, "no image has the size ", width,
          "x", height, "x", channels);
  pixels.resize(row_bytes() * static_cast<size_t>(height));
}

void require_valid(const Image& image) {
  require(image.width > 0 && image.height > 0 && image.channels > 0 && image.channels <= 4 &&
              image.pixels.size() == image.row_bytes() * static_cast<size_t>(image.height),
          "an image of ", image.width, "x", image.height, "x", image.channels, " with ",
          image.pixels.size(), " values");
}

std::vector<uint8_t> read_bytes(const fs::path& path) {
  const auto fail = [&](const std::string& why) {
    throw DataError(str(path.string(), ": cannot read: ", why));
  };
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) fail("no such file");
  if (error) fail(error.message());
  if (fs::is_directory(status)) fail("it is a folder");
  if (!fs::is_regular_file(status)) fail("it is not an ordinary file");
  const uintmax_t size = fs::file_size(path, error);
  if (error) fail(error.message());
  if (size > kMaxFileBytes) fail(str("its ", size >> 20, " MB are more than any photo has"));

  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(errno ? std::strerror(errno) : "it cannot be opened");
  std::vector<uint8_t> content(size);
  file.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(size));
  if (file.bad()) fail(errno ? std::strerror(errno) : "the disk reports an error");
  content.resize(static_cast<size_t>(file.gcount()));  // it may have shrunk meanwhile
  return content;
}

Image decode_photo(const std::vector<uint8_t>& content, const fs::path& path) {
  const std::string kind = describe_content(content);
  const auto fail = [&](const std::string& what) {
    throw DataError(str(path.string(), ": ", what, "; ", kSupported));
  };
  if (kind != "JPEG" && kind != "PNG" && kind != "BMP") fail("looks like " + kind);
  if (const std::string damage = find_damage(content); !damage.empty())
    fail(str("a ", kind, " file, but ", damage));

  const auto* data = content.data();
  const int bytes = static_cast<int>(content.size());
  int width = 0, height = 0, channels_in_file = 0;
  if (!stbi_info_from_memory(data, bytes, &width, &height, &channels_in_file))
    fail(str("a ", kind, " file that cannot be decoded (", stbi_failure_reason(), ")"));
  if (width <= 0 || height <= 0 || width > kMaxPhotoSide || height > kMaxPhotoSide)
    fail(str("a ", kind, " file of ", width, "x", height, " pixels; the limit is ", kMaxPhotoSide,
             "x", kMaxPhotoSide));

  constexpr int kChannels = 3;
  const std::unique_ptr<stbi_uc, void (*)(void*)> decoded(
      stbi_load_from_memory(data, bytes, &width, &height, &channels_in_file, kChannels),
      stbi_image_free);
  if (!decoded) {
    const std::string reason = stbi_failure_reason();
    if (reason == "outofmem")
      throw DeviceError(
          str(path.string(), ": not enough memory for ", width, "x", height, " pixels"));
    fail(str("a ", kind, " file that cannot be decoded (", reason, ")"));
  }
  Image image(width, height, kChannels);
  std::copy_n(decoded.get(), image.pixels.size(), image.pixels.data());
  return image;
}

Image read_photo(const fs::path& path) {
  return decode_photo(read_bytes(path), path);
}

void write_png(const fs::path& path, const Image& image) {
  require_valid(image);
  std::vector<uint8_t> encoded;
  const bool complete =
      stbi_write_png_to_func(append, &encoded, image.width, image.height, image.channels,
                             image.pixels.data(), static_cast<int>(image.row_bytes())) != 0;
  write_encoded(path, complete, encoded);
}

std::vector<uint8_t> encode_jpeg(const Image& image, int quality) {
  require_valid(image);
  require(quality >= 1 && quality <= 100, "no JPEG has quality ", quality);
  std::vector<uint8_t> encoded;
  if (!stbi_write_jpg_to_func(append, &encoded, image.width, image.height, image.channels,
                              image.pixels.data(), quality)) {
    throw DeviceError("not enough memory to encode a picture as JPEG");
  }
  return encoded;
}

void write_jpeg(const fs::path& path, const Image& image, int quality) {
  write_encoded(path, true, encode_jpeg(image, quality));
}

void write_photo(const fs::path& path, const Image& image, int quality) {
  const std::string extension = lower_extension(path);
  if (extension == ".png") {
    write_png(path, image);
  } else if (extension == ".jpg" || extension == ".jpeg") {
    write_jpeg(path, image, quality);
  } else {
    throw UsageError(str(path.string(), ": cannot write '", extension,
                         "' files; end the name in .png, .jpg or .jpeg"));
  }
}

}  // namespace gan
