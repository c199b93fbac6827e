// Pictures of 8 bits in memory, as networks and metrics use them, and their files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "train/photo/photo.h"

namespace gan {

// Rows from top to bottom, pixels from left to right, channels interleaved, 8 bits each. Channels:
// 1 gray, 2 gray + alpha, 3 RGB, 4 RGB + alpha.
struct Image {
  int width = 0, height = 0, channels = 0;
  std::vector<uint8_t> pixels;

  Image() = default;
  // All black.
  Image(int width, int height, int channels);

  size_t row_bytes() const { return static_cast<size_t>(width) * static_cast<size_t>(channels); }
  uint8_t* row(int y) { return pixels.data() + static_cast<size_t>(y) * row_bytes(); }
  const uint8_t* row(int y) const { return pixels.data() + static_cast<size_t>(y) * row_bytes(); }
  uint8_t* at(int x, int y) { return row(y) + static_cast<ptrdiff_t>(x) * channels; }
  const uint8_t* at(int x, int y) const { return row(y) + static_cast<ptrdiff_t>(x) * channels; }

  bool same_size(const Image& other) const {
    return width == other.width && height == other.height && channels == other.channels;
  }
};

// Throws InternalError unless the extents are positive and `pixels` has exactly their size.
void require_valid(const Image& image);

// Gray or RGB; alpha is dropped, 16 bits are rounded to 8.
Image to_image(const Photo& photo);
// An image with 1 to 4 channels.
Photo to_photo(const Image& image);

// decode_photo_file and read_photo_file (photo.h) as RGB: gray is replicated.
Image decode_photo(const std::vector<uint8_t>& content, const std::filesystem::path& path);
Image read_photo(const std::filesystem::path& path);

// A whole JPEG file.
std::vector<uint8_t> encode_jpeg(const Image& image, int quality = 95);
// write_photo_file for images.
void write_photo(const std::filesystem::path& path, const Image& image, int quality = 95);

// PNG of the same bytes in every build, where write_photo leaves them to libpng and zlib. For what is
// rendered to train on: a data set is split by its files' content.
void write_png(const std::filesystem::path& path, const Image& image);

// Exactly width x height pixels. An axis that shrinks is averaged over the area each new pixel
// covers, an axis that grows is interpolated linearly between pixel centres, clamped at the edges.
Image resize(const Image& image, int width, int height);

// The luma (color.h) of a photo, 1 channel, resized in the same way.
Image shrunk_luma(const Photo& photo, int width, int height);

// The largest square around the middle (rounded towards the top left).
Image center_crop_square(const Image& image);

}  // namespace gan
