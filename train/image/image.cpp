#include "train/image/image.h"

#include <algorithm>

#include "engine/atomic_file.h"
#include "engine/error.h"
#include "train/photo/codec.h"

namespace gan {

namespace fs = std::filesystem;

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

Image to_image(const Photo& photo) {
  require_valid(photo);
  Image image(photo.width, photo.height, photo.channels);
  for (int y = 0; y < photo.height; ++y) codec::load_row(photo, y, false, image.row(y));
  return image;
}

Photo to_photo(const Image& image) {
  require_valid(image);
  Photo photo;
  photo.width = image.width;
  photo.height = image.height;
  photo.channels = image.channels < 3 ? 1 : 3;
  if (image.channels % 2 == 1) {
    photo.samples = image.pixels;
    return photo;
  }
  for (size_t i = 0; i < image.pixels.size();) {
    for (int c = 0; c < photo.channels; ++c) photo.samples.push_back(image.pixels[i++]);
    photo.alpha.push_back(image.pixels[i++]);
  }
  return photo;
}

Image decode_photo(const std::vector<uint8_t>& content, const fs::path& path) {
  Image image = to_image(decode_photo_file(content, path.string()));
  if (image.channels == 3) return image;
  Image rgb(image.width, image.height, 3);
  for (size_t i = 0; i < image.pixels.size(); ++i)
    std::fill_n(&rgb.pixels[3 * i], 3, image.pixels[i]);
  return rgb;
}

Image read_photo(const fs::path& path) {
  return decode_photo(read_bytes(path), path);
}

std::vector<uint8_t> encode_jpeg(const Image& image, int quality) {
  EncodeOptions options;
  options.quality = quality;
  return codec::encode_jpeg_stb(to_photo(image), options);
}

void write_photo(const fs::path& path, const Image& image, int quality) {
  EncodeOptions options;
  options.quality = quality;
  write_photo_file(path, to_photo(image), options);
}

void write_png(const fs::path& path, const Image& image) {
  const std::vector<uint8_t> encoded = codec::encode_png_stb(to_photo(image), {});
  AtomicFile file(path);
  file.write(encoded.data(), encoded.size());
  file.commit();
}

}  // namespace gan
