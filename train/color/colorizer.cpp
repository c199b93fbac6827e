#include "train/color/colorizer.h"

#include <algorithm>
#include <cmath>

#include "train/color/color.h"

namespace gan {
namespace {

// Photos that are longer are squeezed: a network has no use for a thread, and memory is bounded.
constexpr double kMaxAspect = 16;

struct Size {
  int width, height;
};

// The size at which the network sees a photo whose short side gets `short_side` pixels.
Size work_size(const Photo& photo, int short_side, int multiple) {
  const double aspect =
      std::min(kMaxAspect, static_cast<double>(std::max(photo.width, photo.height)) /
                               std::min(photo.width, photo.height));
  const int longer = static_cast<int>(std::lround(short_side * aspect / multiple)) * multiple;
  return photo.width >= photo.height ? Size{longer, short_side} : Size{short_side, longer};
}

uint8_t gray_level(const Image& photo, int x, int y) {
  const uint8_t* p = photo.at(x, y);
  return photo.channels >= 3 ? luma_u8(p[0], p[1], p[2]) : p[0];
}

uint8_t to_level(float unit) {
  return static_cast<uint8_t>(std::lround(std::clamp(unit, 0.0f, 1.0f) * 255));
}

ChromaPlane blank(int width, int height) {
  const size_t size = static_cast<size_t>(width) * height;
  return {width, height, std::vector<float>(size), std::vector<float>(size)};
}

ChromaPlane chroma_of(const Image& colors, float gain) {
  ChromaPlane plane = blank(colors.width, colors.height);
  for (size_t i = 0; i < plane.cb.size(); ++i) {
    const uint8_t* p = &colors.pixels[3 * i];
    const YCbCr c = to_ycbcr(p[0], p[1], p[2]);
    plane.cb[i] = gain * c.cb;
    plane.cr[i] = gain * c.cr;
  }
  return plane;
}

Image mirror_image(const Image& photo) {
  Image out(photo.width, photo.height, photo.channels);
  for (int y = 0; y < photo.height; ++y) {
    for (int x = 0; x < photo.width; ++x) {
      std::copy_n(photo.at(photo.width - 1 - x, y), photo.channels, out.at(x, y));
    }
  }
  return out;
}

// By how much the head's answer is smaller than the photo.
int shrink(const Generator& generator) {
  return generator.head() == ColorHead::chroma64 ? 2 : 1;
}

// A tensor at the beginning of a buffer that grows as needed.
Tensor place(Device& device, Buffer& buffer, const Shape& shape) {
  const size_t bytes = static_cast<size_t>(shape.elements()) * size_of(device.pictures());
  if (buffer.bytes() < bytes) buffer = Buffer(device.memory, bytes);
  return Tensor(buffer.data(), shape, device.pictures());
}

}  // namespace

std::vector<float> Colorizer::run_once(const std::vector<Image>& photos) {
  const int64_t n = static_cast<int64_t>(photos.size());
  const int width = photos[0].width, height = photos[0].height;
  std::vector<float> gray;
  gray.reserve(static_cast<size_t>(n) * width * height * 3);
  for (const Image& photo : photos) {
    require(photo.width == width && photo.height == height, "photos of one batch differ in size");
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        gray.insert(gray.end(), 3, static_cast<float>(gray_level(photo, x, y)) / 255.0f);
      }
    }
  }
  const int by = shrink(generator_);
  const Tensor input = place(device_, input_memory_, {n, height, width, 3});
  const Tensor output =
      place(device_, output_memory_,
            {n, height / by, width / by, generator_.head() == ColorHead::rgb ? 3 : 2});
  from_host(device_.memory, input, gray.data());
  forward(input, output);
  return to_host(device_.memory, output);
}

// On a GPU, a network whose weights stay is recorded for every shape of its input.
void Colorizer::forward(const Tensor& input, const Tensor& output) {
  uint64_t content = 0;  // versions only grow: the newest names the content of all
  for (const Parameter& p : generator_.parameters().all()) content = std::max(content, p.version);
  const Shape& s = input.shape();
  const auto address = [](const Tensor& t) { return reinterpret_cast<uint64_t>(t.data()); };
  replay_.run(
      {uint64_t(s.n), uint64_t(s.h), uint64_t(s.w), content, address(input), address(output)},
      {&tape_.arena()}, [&] {
        tape_.reset();
        Context context{.kernels = device_.kernels, .tape = tape_, .training = false};
        generator_.forward(context, tape_.constant(input), output);
      });
}

std::vector<float> Colorizer::run(const std::vector<Image>& photos) {
  std::vector<float> values = run_once(photos);
  if (!options_.flip) return values;
  std::vector<Image> mirrored;
  for (const Image& photo : photos) mirrored.push_back(mirror_image(photo));
  const std::vector<float> others = run_once(mirrored);
  const size_t channels = generator_.head() == ColorHead::rgb ? 3 : 2;
  const size_t width = static_cast<size_t>(photos[0].width / shrink(generator_));
  for (size_t row = 0; row < values.size(); row += width * channels) {
    for (size_t x = 0; x < width; ++x) {
      for (size_t c = 0; c < channels; ++c) {
        float& value = values[row + x * channels + c];
        value = (value + others[row + (width - 1 - x) * channels + c]) / 2;
      }
    }
  }
  return values;
}

std::vector<Image> Colorizer::pictures(const std::vector<Image>& photos) {
  const std::vector<float> rgb = run(photos);
  std::vector<Image> out;
  size_t next = 0;
  for (const Image& photo : photos) {
    Image image(photo.width, photo.height, 3);
    for (uint8_t& level : image.pixels) level = to_level(rgb[next++]);
    out.push_back(std::move(image));
  }
  return out;
}

std::vector<ChromaPlane> Colorizer::chroma(const std::vector<Image>& photos) {
  if (photos.empty()) return {};
  std::vector<ChromaPlane> planes;
  const auto gain = static_cast<float>(options_.saturation);
  if (generator_.head() == ColorHead::rgb) {
    for (const Image& colors : pictures(photos)) planes.push_back(chroma_of(colors, gain));
    return planes;
  }
  const std::vector<float> values = run(photos);
  size_t next = 0;
  for (const Image& photo : photos) {
    ChromaPlane plane = blank(photo.width / shrink(generator_), photo.height / shrink(generator_));
    for (size_t i = 0; i < plane.cb.size(); ++i) {
      plane.cb[i] = 127.5f * gain * values[next++];
      plane.cr[i] = 127.5f * gain * values[next++];
    }
    planes.push_back(std::move(plane));
  }
  return planes;
}

std::vector<Image> Colorizer::predict(const std::vector<Image>& photos) {
  if (photos.empty()) return {};
  if (generator_.head() != ColorHead::rgb) return recolor_squares(photos);
  std::vector<Image> out = pictures(photos);
  if (options_.saturation != 1) {
    const auto gain = static_cast<float>(options_.saturation);
    for (Image& image : out) image = with_chroma(image, chroma_of(image, gain));
  }
  return out;
}

std::vector<Image> Colorizer::recolor_squares(const std::vector<Image>& photos) {
  if (photos.empty()) return {};
  const std::vector<ChromaPlane> planes = chroma(photos);
  std::vector<Image> out;
  for (size_t i = 0; i < photos.size(); ++i) out.push_back(with_chroma(photos[i], planes[i]));
  return out;
}

Image Colorizer::work_image(const Photo& photo, int short_side) const {
  const int multiple = generator_.size_multiple();
  require(short_side > 0 && short_side % multiple == 0, "the network takes multiples of ", multiple,
          " pixels, not ", short_side);
  const Size size = work_size(photo, short_side, multiple);
  return shrunk_luma(photo, size.width, size.height);
}

Photo Colorizer::recolored(Photo photo, const ChromaPlane& chroma) const {
  return with_chroma(std::move(photo), chroma);
}

Photo Colorizer::colorize(Photo photo, int short_side) {
  const ChromaPlane plane = chroma({work_image(photo, short_side)})[0];
  return recolored(std::move(photo), plane);
}

}  // namespace gan
