// Photos in memory, and the files they come from and go to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace gan {

// The longest side of a photo that is read, in pixels (so at most 144 megapixels). Checked before
// memory is asked for.
constexpr int kMaxPhotoSide = 12000;

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

// The content of a file. Throws DataError when `path` is no ordinary file, cannot be read, or is
// larger than any photo that could be decoded.
std::vector<uint8_t> read_bytes(const std::filesystem::path& path);

// Decodes the content of a JPEG, PNG or BMP file to RGB. Gray is replicated, alpha dropped, 16 bits
// are cut to 8. `path` is for messages only. Throws DataError in one line - path, what the content
// looks like, what is supported - for anything else, and for damaged or incomplete files.
Image decode_photo(const std::vector<uint8_t>& content, const std::filesystem::path& path);

// decode_photo(read_bytes(path), path).
Image read_photo(const std::filesystem::path& path);

// These write 1 to 4 channels (JPEG: alpha is dropped) through AtomicFile, so a failure leaves no
// partial file; it throws DataError. JPEG quality is 1 to 100; above 90 chroma keeps full
// resolution.
void write_png(const std::filesystem::path& path, const Image& image);
void write_jpeg(const std::filesystem::path& path, const Image& image, int quality = 95);
std::vector<uint8_t> encode_jpeg(const Image& image, int quality = 95);
// By extension: .png, .jpg, .jpeg. Throws UsageError for any other.
void write_photo(const std::filesystem::path& path, const Image& image, int quality = 95);

// Exactly width x height pixels. An axis that shrinks is averaged over the area each new pixel
// covers, an axis that grows is interpolated linearly between pixel centres, clamped at the edges.
Image resize(const Image& image, int width, int height);

// The largest square around the middle (rounded towards the top left).
Image center_crop_square(const Image& image);

}  // namespace gan
