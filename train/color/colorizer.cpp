#include "train/color/colorizer.h"

#include <algorithm>
#include <cmath>

#include "engine/parallel.h"
#include "train/color/smooth_chroma.h"
#include "train/image/color.h"

namespace gan {
namespace {

// Photos that are longer are squeezed: a network has no use for a thread, and memory is bounded.
constexpr double kMaxAspect = 16;
// Around the photo, in pixels of what the network sees: convolutions meet zeros at the edge of that, and
// colours fade there. Measured with 80 validation photos in three shapes: CIEDE2000 11.85, without a
// margin 12.04.
constexpr int kMargin = 4;

// Width by height of what the network is to see.
double aspect_of(const Photo& photo) {
  return std::clamp(static_cast<double>(photo.width) / photo.height, 1 / kMaxAspect, kMaxAspect);
}

struct Size {
  int width, height;
};

// What the network is given for a photo: of all sizes in multiples of `multiple` the one nearest to
// the photo's shape and to the area of a square of `side` pixels. A shape that is 10% too wide is as
// far away as an area that is 20% too large.
Size frame_size(const Photo& photo, int side, int multiple) {
  constexpr double kAreaCounts = 0.5;
  const double aspect = aspect_of(photo), area = static_cast<double>(side) * side;
  const auto distance = [&](const Size& size) {
    const double w = size.width, h = size.height;
    return std::abs(std::log(w / h / aspect)) + kAreaCounts * std::abs(std::log(w * h / area));
  };
  Size nearest{multiple, multiple};
  const int longest = 2 * multiple + static_cast<int>(side * std::sqrt(kMaxAspect));
  for (int width = multiple; width <= longest; width += multiple) {
    // As the shape counts more than the area, no other heights come nearer.
    const int height = std::max(1, static_cast<int>(width / aspect / multiple)) * multiple;
    for (const Size size : {Size{width, height}, Size{width, height + multiple}})
      if (distance(size) < distance(nearest)) nearest = size;
  }
  return nearest;
}

struct Area {
  int left, top, width, height;
};

// Where the photo lies in a frame of this size, at least 2x2: in the middle, as large as its shape allows
// between margins of this width, narrower ones where nothing would be left between them.
Area area_in(const Photo& photo, int frame_width, int frame_height, int margin) {
  margin = std::min(margin, (std::min(frame_width, frame_height) - 2) / 2);
  const double aspect = aspect_of(photo);
  const int most_width = frame_width - 2 * margin, most_height = frame_height - 2 * margin;
  // Even, as frames are: in the exact middle, a photo and its mirror image get the same colours.
  const auto side = [](double wanted, int most) {
    return std::clamp(2 * static_cast<int>(std::lround(wanted / 2)), 2, most);
  };
  const int width = side(most_height * aspect, most_width);
  const int height = side(most_width / aspect, most_height);
  return {(frame_width - width) / 2, (frame_height - height) / 2, width, height};
}

// The gray picture in a frame, which its outermost pixels fill.
Image framed(const Image& picture, int left, int top, const Size& frame) {
  Image out(frame.width, frame.height, 1);
  const int right = left + picture.width;
  for (int y = 0; y < frame.height; ++y) {
    const uint8_t* from = picture.row(std::clamp(y - top, 0, picture.height - 1));
    uint8_t* to = out.row(y);
    std::fill(to, to + left, from[0]);
    std::copy_n(from, picture.width, to + left);
    std::fill(to + right, to + frame.width, from[picture.width - 1]);
  }
  return out;
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

ChromaPlane part_of(const ChromaPlane& plane, const Area& area) {
  ChromaPlane part = blank(area.width, area.height);
  for (int y = 0; y < area.height; ++y) {
    const ptrdiff_t from = ptrdiff_t{area.top + y} * plane.width + area.left;
    const ptrdiff_t to = ptrdiff_t{y} * area.width;
    std::copy_n(plane.cb.begin() + from, area.width, part.cb.begin() + to);
    std::copy_n(plane.cr.begin() + from, area.width, part.cr.begin() + to);
  }
  return part;
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

std::vector<Image> recolored_each(const std::vector<Image>& photos,
                                  const std::vector<ChromaPlane>& planes) {
  std::vector<Image> out;
  for (size_t i = 0; i < photos.size(); ++i) out.push_back(with_chroma(photos[i], planes[i]));
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

std::vector<ChromaPlane> Colorizer::own_chroma(const std::vector<Image>& photos) {
  if (photos.empty()) return {};
  std::vector<ChromaPlane> planes;
  const auto gain = static_cast<float>(options_.saturation);
  if (generator_.head() == ColorHead::rgb) {
    for (const Image& colors : pictures(photos)) planes.push_back(chroma_of(colors, gain));
  } else {
    const std::vector<float> values = run(photos);
    const int by = shrink(generator_);
    size_t next = 0;
    for (const Image& photo : photos) {
      ChromaPlane plane = blank(photo.width / by, photo.height / by);
      for (size_t i = 0; i < plane.cb.size(); ++i) {
        plane.cb[i] = 127.5f * gain * values[next++];
        plane.cr[i] = 127.5f * gain * values[next++];
      }
      planes.push_back(std::move(plane));
    }
  }
  return planes;
}

std::vector<ChromaPlane> Colorizer::chroma(const std::vector<Image>& photos) {
  std::vector<ChromaPlane> planes = own_chroma(photos);
  if (options_.smooth && generator_.head() != ColorHead::rgb) {
    parallel_for(static_cast<int64_t>(photos.size()),
                 [&](int64_t i) { planes[i] = smoothed_chroma(planes[i], photos[i]); });
  }
  return planes;
}

std::vector<Image> Colorizer::predict(const std::vector<Image>& photos) {
  if (photos.empty()) return {};
  if (generator_.head() != ColorHead::rgb) return recolored_each(photos, own_chroma(photos));
  std::vector<Image> out = pictures(photos);
  if (options_.saturation != 1) {
    const auto gain = static_cast<float>(options_.saturation);
    for (Image& image : out) image = with_chroma(image, chroma_of(image, gain));
  }
  return out;
}

std::vector<Image> Colorizer::recolor_squares(const std::vector<Image>& photos) {
  return recolored_each(photos, chroma(photos));
}

// The photo's place is reckoned in the pixels of the answer, so that it is the same in both.
Image Colorizer::work_image(const Photo& photo, int side) const {
  require(side > 0, "no work size: ", side);
  const Size frame = frame_size(photo, side, generator_.size_multiple());
  const int by = shrink(generator_);
  const Area area = area_in(photo, frame.width / by, frame.height / by, kMargin / by);
  return framed(shrunk_luma(photo, area.width * by, area.height * by), area.left * by,
                area.top * by, frame);
}

Photo Colorizer::recolored(Photo photo, const ChromaPlane& chroma) const {
  const Area area = area_in(photo, chroma.width, chroma.height, kMargin / shrink(generator_));
  return with_chroma(std::move(photo), part_of(chroma, area));
}

Photo Colorizer::colorize(Photo photo, int side) {
  const ChromaPlane plane = chroma({work_image(photo, side)})[0];
  return recolored(std::move(photo), plane);
}

}  // namespace gan
