// Between a photo's planes and the interleaved rows that libraries read and write (codec.h).
#include <algorithm>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "engine/error.h"
#include "train/photo/codec.h"

namespace gan::codec {
namespace {

// 257 * v for 8 bits is v for 16; back with rounding.
uint8_t to_8_bits(uint16_t v) {
  return static_cast<uint8_t>((v + 128u) / 257u);
}

template <class T>
void split(const T* pixels, size_t count, size_t colors, T* samples, T* alpha) {
  if (!alpha) {
    std::copy_n(pixels, count * colors, samples);
    return;
  }
  for (size_t i = 0; i < count; ++i) {
    for (size_t c = 0; c < colors; ++c) *samples++ = *pixels++;
    *alpha++ = *pixels++;
  }
}

template <class From, class To>
void merge(const From* samples, const From* alpha, size_t count, size_t colors, To* row) {
  const auto converted = [](From v) {
    if constexpr (std::is_same_v<From, To>) {
      return v;
    } else {
      return to_8_bits(v);
    }
  };
  for (size_t i = 0; i < count; ++i) {
    for (size_t c = 0; c < colors; ++c) *row++ = converted(*samples++);
    if (alpha) *row++ = converted(*alpha++);
  }
}

}  // namespace

Photo blank_photo(int width, int height, int channels, int bits, bool alpha) {
  Photo photo;
  photo.width = width;
  photo.height = height;
  photo.channels = channels;
  photo.bits = bits;
  const size_t samples = photo.pixels() * static_cast<size_t>(channels);
  if (bits == 8) {
    photo.samples.resize(samples);
    if (alpha) photo.alpha.resize(photo.pixels());
  } else {
    photo.deep_samples.resize(samples);
    if (alpha) photo.deep_alpha.resize(photo.pixels());
  }
  return photo;
}

void store_pixels(Photo& photo, size_t first, const uint8_t* pixels, size_t count) {
  const auto colors = static_cast<size_t>(photo.channels);
  split(pixels, count, colors, photo.samples.data() + first * colors,
        photo.alpha.empty() ? nullptr : photo.alpha.data() + first);
}

void store_pixels(Photo& photo, size_t first, const uint16_t* pixels, size_t count) {
  const auto colors = static_cast<size_t>(photo.channels);
  split(pixels, count, colors, photo.deep_samples.data() + first * colors,
        photo.deep_alpha.empty() ? nullptr : photo.deep_alpha.data() + first);
}

void load_row(const Photo& photo, int y, bool with_alpha, uint8_t* row) {
  const auto colors = static_cast<size_t>(photo.channels);
  const auto width = static_cast<size_t>(photo.width), first = static_cast<size_t>(y) * width;
  if (photo.bits == 8) {
    const bool alpha = with_alpha && !photo.alpha.empty();
    const uint8_t* samples = photo.samples.data() + first * colors;
    if (alpha) {
      merge(samples, photo.alpha.data() + first, width, colors, row);
    } else {
      std::copy_n(samples, width * colors, row);
    }
  } else {
    const bool alpha = with_alpha && !photo.deep_alpha.empty();
    merge(photo.deep_samples.data() + first * colors,
          alpha ? photo.deep_alpha.data() + first : nullptr, width, colors, row);
  }
}

void load_row(const Photo& photo, int y, bool with_alpha, uint16_t* row) {
  require(photo.bits == 16, "a photo of ", photo.bits, " bits has no rows of 16");
  const auto colors = static_cast<size_t>(photo.channels);
  const auto width = static_cast<size_t>(photo.width), first = static_cast<size_t>(y) * width;
  const bool alpha = with_alpha && !photo.deep_alpha.empty();
  merge(photo.deep_samples.data() + first * colors,
        alpha ? photo.deep_alpha.data() + first : nullptr, width, colors, row);
}

Bytes profile_for(const PhotoMetadata& metadata, int channels) {
  // ICC.1:2022, 7.2: a header of 128 bytes; the colour space of the data is named at byte 16, the
  // letters "acsp" stand at byte 36.
  const Bytes& icc = metadata.icc;
  if (icc.size() < 132 || std::memcmp(icc.data() + 36, "acsp", 4) != 0) return {};
  return std::memcmp(icc.data() + 16, channels == 1 ? "GRAY" : "RGB ", 4) == 0 ? icc : Bytes();
}

}  // namespace gan::codec
