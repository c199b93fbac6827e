// BMP, TGA and GIF through stb; JPEG and PNG, too, in builds without their libraries.
#define STBI_NO_STDIO
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>

#include <algorithm>
#include <memory>
#include <new>
#include <string>

#include "engine/error.h"
#include "train/photo/codec.h"
#include "train/photo/file_kind.h"

namespace gan::codec {
namespace {

template <class T>
Decoded decode_with(const Source& source, int bits,
                    T* (*load)(const stbi_uc*, int, int*, int*, int*, int), int channels) {
  int width = 0, height = 0, channels_in_file = 0;
  const std::unique_ptr<T, void (*)(void*)> pixels(
      load(source.content.data(), static_cast<int>(source.content.size()), &width, &height,
           &channels_in_file, channels),
      stbi_image_free);
  if (!pixels) {
    const std::string reason = stbi_failure_reason();
    if (reason == "outofmem") throw std::bad_alloc();
    source.refuse(str(" that cannot be decoded (", reason, ")"));
  }
  Decoded decoded;
  decoded.photo =
      blank_photo(width, height, channels < 3 ? 1 : 3, bits, channels == 2 || channels == 4);
  store_pixels(decoded.photo, 0, pixels.get(), decoded.photo.pixels());
  // stb gives every GIF an alpha plane.
  Bytes& alpha = decoded.photo.alpha;
  if (source.kind == "GIF" &&
      std::all_of(alpha.begin(), alpha.end(), [](int a) { return a == 255; }))
    alpha.clear();
  return decoded;
}

void append(void* encoded, void* data, int count) {
  auto& to = *static_cast<Bytes*>(encoded);
  const auto* from = static_cast<const uint8_t*>(data);
  to.insert(to.end(), from, from + count);
}

// All rows as the writer wants them.
Bytes interleaved(const Photo& photo, bool with_alpha) {
  const size_t row_bytes = static_cast<size_t>(photo.width) * (static_cast<size_t>(photo.channels) +
                                                               (with_alpha && photo.has_alpha()));
  Bytes all(row_bytes * static_cast<size_t>(photo.height));
  for (int y = 0; y < photo.height; ++y)
    load_row(photo, y, with_alpha, all.data() + static_cast<size_t>(y) * row_bytes);
  return all;
}

void check(int done) {
  if (!done) throw DeviceError("not enough memory to encode the picture");
}

}  // namespace

Decoded decode_stb(const Source& source) {
  // The decoder fills what is missing with zeros and says nothing.
  if (const std::string damage = find_damage(source.content); !damage.empty())
    source.refuse_damaged(damage);
  const auto* data = source.content.data();
  const int bytes = static_cast<int>(source.content.size());
  int width = 0, height = 0, channels = 0;
  if (!stbi_info_from_memory(data, bytes, &width, &height, &channels))
    source.refuse(str(" that cannot be decoded (", stbi_failure_reason(), ")"));
  if (width <= 0 || height <= 0) source.refuse_damaged("damaged (impossible size)");
  const int bits = stbi_is_16_bit_from_memory(data, bytes) ? 16 : 8;
  source.check_header(static_cast<uint64_t>(width), static_cast<uint64_t>(height),
                      channels < 3 ? 1 : 3, bits);
  return bits == 16 ? decode_with(source, bits, stbi_load_16_from_memory, channels)
                    : decode_with(source, bits, stbi_load_from_memory, channels);
}

Bytes encode_jpeg_stb(const Photo& photo, const EncodeOptions& options) {
  Bytes encoded;
  check(stbi_write_jpg_to_func(append, &encoded, photo.width, photo.height, photo.channels,
                               interleaved(photo, false).data(), options.quality));
  return encoded;
}

Bytes encode_png_stb(const Photo& photo, const EncodeOptions&) {
  const int channels = photo.channels + photo.has_alpha();
  Bytes encoded;
  check(stbi_write_png_to_func(append, &encoded, photo.width, photo.height, channels,
                               interleaved(photo, true).data(), photo.width * channels));
  return encoded;
}

}  // namespace gan::codec
