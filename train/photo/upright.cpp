#include "train/photo/upright.h"

#include <algorithm>
#include <utility>

#include "engine/error.h"
#include "engine/parallel.h"

namespace gan {
namespace {

// Pixels are moved in squares: columns of the one picture are rows of the other, and what is fetched
// for one column has to serve the next ones, too.
constexpr int kBlock = 32;

// From where in the file the pixel (x, y) of the upright photo comes.
struct Turn {
  int width, height;  // of the upright photo
  bool transposed, mirrored_x, mirrored_y;

  Turn(const Photo& photo, int orientation)
      : width(orientation < 5 ? photo.width : photo.height),
        height(orientation < 5 ? photo.height : photo.width),
        transposed(orientation >= 5),
        // As to the axes of the file.
        mirrored_x(orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8),
        mirrored_y(orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7) {}

  size_t source(int x, int y) const {
    if (transposed) std::swap(x, y);
    const int file_width = transposed ? height : width, file_height = transposed ? width : height;
    const int from_x = mirrored_x ? file_width - 1 - x : x;
    const int from_y = mirrored_y ? file_height - 1 - y : y;
    return static_cast<size_t>(from_y) * static_cast<size_t>(file_width) +
           static_cast<size_t>(from_x);
  }
};

template <int kChannels, class T>
void turn_plane(const Turn& turn, std::vector<T>& plane) {
  if (plane.empty()) return;
  std::vector<T> out(plane.size());
  parallel_ranges(turn.height, kBlock, [&](int64_t begin, int64_t end) {
    const int first = static_cast<int>(begin), last = static_cast<int>(end);
    for (int left = 0; left < turn.width; left += kBlock) {
      const int right = std::min(turn.width, left + kBlock);
      for (int y = first; y < last; ++y) {
        T* to = out.data() + (static_cast<size_t>(y) * static_cast<size_t>(turn.width) +
                              static_cast<size_t>(left)) *
                                 kChannels;
        for (int x = left; x < right; ++x, to += kChannels)
          std::copy_n(plane.data() + turn.source(x, y) * kChannels, kChannels, to);
      }
    }
  });
  plane = std::move(out);
}

template <class T>
void turn_samples(const Turn& turn, int channels, std::vector<T>& samples) {
  if (channels == 1) {
    turn_plane<1>(turn, samples);
  } else {
    turn_plane<3>(turn, samples);
  }
}

}  // namespace

Photo upright(Photo photo, int orientation) {
  require(orientation >= 1 && orientation <= 8, "no photo has orientation ", orientation);
  if (orientation == 1) return photo;
  const Turn turn(photo, orientation);
  turn_samples(turn, photo.channels, photo.samples);
  turn_samples(turn, photo.channels, photo.deep_samples);
  turn_plane<1>(turn, photo.alpha);
  turn_plane<1>(turn, photo.deep_alpha);
  photo.width = turn.width;
  photo.height = turn.height;
  return photo;
}

}  // namespace gan
