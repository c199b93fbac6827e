#include "train/photo/photo.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <new>
#include <string_view>
#include <system_error>

#include "engine/atomic_file.h"
#include "engine/error.h"
#include "train/photo/codec.h"
#include "train/photo/exif.h"
#include "train/photo/file_kind.h"
#include "train/photo/upright.h"

namespace gan {
namespace {

namespace fs = std::filesystem;
using codec::Bytes;

codec::Decoder decoder_of(std::string_view kind) {
  if (kind == "JPEG") return codec::jpeg.decode;
  if (kind == "PNG") return codec::png.decode;
  if (kind == "WebP") return codec::webp.decode;
  if (kind == "TIFF") return codec::tiff.decode;
  if (kind == "BMP" || kind == "TGA" || kind == "GIF") return codec::decode_stb;
  return nullptr;
}

struct Writable {
  const char* extension;
  codec::Encoder encode;
};

// The formats that this build writes.
std::vector<Writable> writable() {
  std::vector<Writable> list;
  for (const Writable& w : {Writable{".png", codec::png.encode},
                            {".jpg", codec::jpeg.encode},
                            {".jpeg", codec::jpeg.encode},
                            {".webp", codec::webp.encode}})
    if (w.encode) list.push_back(w);
  return list;
}

std::string lower_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return extension;
}

codec::Encoder encoder_of(const fs::path& path) {
  const std::string extension = lower_extension(path);
  for (const Writable& w : writable())
    if (extension == w.extension) return w.encode;
  return nullptr;
}

// "a", "a and b", "a, b and c"
std::string joined(const std::vector<std::string>& words, const char* last_separator) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i)
    text += (i == 0 ? "" : i + 1 == words.size() ? last_separator : ", ") + words[i];
  return text;
}

}  // namespace

namespace codec {

void Source::refuse(const std::string& what) const {
  throw DataError(str(name, ": a ", kind, " file", what, "; ", supported_photo_kinds()));
}

void Source::check_header(uint64_t width, uint64_t height, int channels, int bits) const {
  const auto side = static_cast<uint64_t>(limits.max_side);
  if (width == 0 || height == 0) refuse_damaged("damaged (a picture without pixels)");
  if (width > side || height > side || width * height > static_cast<uint64_t>(limits.max_pixels))
    throw DataError(str(name, ": a ", kind, " file of ", width, "x", height,
                        " pixels; the limits are ", limits.max_side, " pixels a side and ",
                        limits.max_pixels / 1'000'000, " million in all"));
  if (limits.on_header)
    limits.on_header(static_cast<int>(width), static_cast<int>(height), channels, bits);
}

void too_large_for(const char* format, int max_side) {
  throw DataError(
      str("too large for ", format, ", whose limit is ", max_side, " pixels a side; write PNG"));
}

}  // namespace codec

void require_valid(const Photo& photo) {
  const size_t samples = photo.pixels() * static_cast<size_t>(photo.channels);
  const bool deep = photo.bits == 16;
  const size_t alpha = deep ? photo.deep_alpha.size() : photo.alpha.size();
  require(photo.width > 0 && photo.height > 0 && (photo.channels == 1 || photo.channels == 3) &&
              (photo.bits == 8 || deep) && photo.samples.size() == (deep ? 0 : samples) &&
              photo.deep_samples.size() == (deep ? samples : 0) &&
              (alpha == 0 || alpha == photo.pixels()) &&
              (deep ? photo.alpha.empty() : photo.deep_alpha.empty()),
          "a photo of ", photo.width, "x", photo.height, "x", photo.channels, " with ", photo.bits,
          " bits, ", photo.samples.size(), " or ", photo.deep_samples.size(), " values and alpha ",
          alpha);
}

size_t bytes_needed(int width, int height, int channels, int bits) {
  // In colour, in and out; what is packed in the file or on its way out; and, for small photos, what
  // libraries and network take anyway.
  constexpr size_t kAnyway = size_t{64} << 20;
  const size_t pixels = static_cast<size_t>(width) * static_cast<size_t>(height);
  const size_t in = static_cast<size_t>(channels), out = 3, packed = 2;
  return kAnyway + pixels * (in + out + packed) * static_cast<size_t>(bits / 8);
}

Photo decode_photo_file(const Bytes& content, const std::string& name, const PhotoLimits& limits) {
  const std::string kind = describe_content(content);
  const codec::Decoder decode = decoder_of(kind);
  if (!decode) throw DataError(str(name, ": looks like ", kind, "; ", supported_photo_kinds()));
  const codec::Source source{content, name, kind, limits};
  try {
    codec::Decoded decoded = decode(source);
    int orientation = decoded.orientation;
    if (!decoded.exif.empty()) {
      const ExifFacts facts = read_exif(decoded.exif.data(), decoded.exif.size());
      orientation = facts.orientation;
      decoded.photo.metadata.date = facts.date;
    }
    decoded.photo.kind = decoded.photo.bits == 8 ? kind : kind + ", 16 bits";
    return upright(std::move(decoded.photo), orientation);
  } catch (const std::bad_alloc&) {
    throw DeviceError(str(name, ": not enough memory to decode this ", kind, " file"));
  }
}

Photo read_photo_file(const fs::path& path, const PhotoLimits& limits) {
  return decode_photo_file(read_bytes(path, limits.max_file_bytes), path.string(), limits);
}

Bytes read_bytes(const fs::path& path, uint64_t max_bytes) {
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
  if (size > max_bytes)
    fail(str("its ", size >> 20, " MB are more than the limit of ", max_bytes >> 20, " MB"));

  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(errno ? std::strerror(errno) : "it cannot be opened");
  Bytes content(size);
  file.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(size));
  if (file.bad()) fail(errno ? std::strerror(errno) : "the disk reports an error");
  content.resize(static_cast<size_t>(file.gcount()));  // it may have shrunk meanwhile
  return content;
}

void write_photo_file(const fs::path& path, const Photo& photo, const EncodeOptions& options) {
  require_valid(photo);
  require(options.quality >= 1 && options.quality <= 100, "no photo has quality ", options.quality);
  const codec::Encoder encode = encoder_of(path);
  if (!encode) {
    std::vector<std::string> extensions;
    for (const Writable& w : writable()) extensions.emplace_back(w.extension);
    throw UsageError(str(path.string(), ": cannot write '", lower_extension(path),
                         "' files; end the name in ", joined(extensions, " or ")));
  }
  // The whole file is encoded before the disk is touched.
  Bytes encoded;
  try {
    encoded = encode(photo, options);
  } catch (const Error& error) {
    throw Error(error.code(), str(path.string(), ": ", error.what()));
  } catch (const std::bad_alloc&) {
    throw DeviceError(str(path.string(), ": not enough memory to encode the picture"));
  }
  AtomicFile file(path);
  file.write(encoded.data(), encoded.size());
  file.commit();
}

bool is_writable_photo_name(const fs::path& path) {
  return encoder_of(path) != nullptr;
}

bool is_photo_file_name(const fs::path& path) {
  static constexpr std::array<std::string_view, 20> kExtensions = {
      ".jpg", ".jpeg", ".jpe",  ".jfif", ".png",  ".bmp", ".dib", ".tga", ".gif", ".webp",
      ".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".psd", ".dng", ".cr2"};
  return std::find(kExtensions.begin(), kExtensions.end(), lower_extension(path)) !=
         kExtensions.end();
}

std::string supported_photo_kinds() {
  std::vector<std::string> kinds;
  for (const char* kind : {"JPEG", "PNG", "BMP", "TGA", "GIF", "WebP", "TIFF"})
    if (decoder_of(kind)) kinds.emplace_back(kind);
  return joined(kinds, " and ") + " are supported";
}

}  // namespace gan
