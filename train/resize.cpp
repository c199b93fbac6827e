// resize and center_crop_square of train/image.h.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/error.h"
#include "train/image.h"

namespace gan {
namespace {

// Which old pixels of an axis make up one new pixel: weights[0 ..] belong to first, first + 1, ...
struct Taps {
  int first = 0;
  std::vector<float> weights;
};

// New pixel i covers [i*r, (i+1)*r) of the old axis, r = from/to >= 1; each old pixel counts by the
// length it shares with that interval. The bounds are i*from/to in integers: no rounding drift.
std::vector<Taps> area_taps(int from, int to) {
  std::vector<Taps> axis(static_cast<size_t>(to));
  for (int i = 0; i < to; ++i) {
    // In units of 1/to of an old pixel.
    const int64_t begin = int64_t{i} * from, end = begin + from;
    Taps& taps = axis[static_cast<size_t>(i)];
    taps.first = static_cast<int>(begin / to);
    for (int64_t p = taps.first; p * to < end; ++p) {
      const int64_t shared = std::min((p + 1) * to, end) - std::max(p * to, begin);
      taps.weights.push_back(static_cast<float>(static_cast<double>(shared) / from));
    }
  }
  return axis;
}

// The centre of new pixel i lies at (i + 1/2) * from/to - 1/2 of the old axis, between two old
// centres.
std::vector<Taps> linear_taps(int from, int to) {
  std::vector<Taps> axis(static_cast<size_t>(to));
  for (int i = 0; i < to; ++i) {
    const double centre = std::clamp((i + 0.5) * from / to - 0.5, 0.0, from - 1.0);
    Taps& taps = axis[static_cast<size_t>(i)];
    taps.first = static_cast<int>(centre);
    const auto second = static_cast<float>(centre - taps.first);
    taps.weights = {1 - second};
    if (second > 0) taps.weights.push_back(second);
  }
  return axis;
}

std::vector<Taps> axis_taps(int from, int to) {
  return to < from ? area_taps(from, to) : linear_taps(from, to);
}

// sums = the weighted sum of the rows that make up new row `taps`.
void mix_rows(const Image& image, const Taps& taps, std::vector<float>& sums) {
  std::fill(sums.begin(), sums.end(), 0.0f);
  for (size_t k = 0; k < taps.weights.size(); ++k) {
    const uint8_t* row = image.row(taps.first + static_cast<int>(k));
    const float weight = taps.weights[k];
    for (size_t x = 0; x < sums.size(); ++x) sums[x] += weight * static_cast<float>(row[x]);
  }
}

template <int kChannels>
void mix_columns(const std::vector<float>& sums, const std::vector<Taps>& axis, uint8_t* out) {
  for (const Taps& taps : axis) {
    float pixel[kChannels] = {};
    const float* from = sums.data() + static_cast<ptrdiff_t>(taps.first) * kChannels;
    for (const float weight : taps.weights)
      for (int c = 0; c < kChannels; ++c) pixel[c] += weight * *from++;
    for (int c = 0; c < kChannels; ++c) *out++ = static_cast<uint8_t>(pixel[c] + 0.5f);
  }
}

}  // namespace

Image resize(const Image& image, int width, int height) {
  require_valid(image);
  Image result(width, height, image.channels);
  const auto columns = axis_taps(image.width, width);
  const auto rows = axis_taps(image.height, height);
  const auto mix = image.channels == 1   ? mix_columns<1>
                   : image.channels == 2 ? mix_columns<2>
                   : image.channels == 3 ? mix_columns<3>
                                         : mix_columns<4>;
  // Rows first: they are long and contiguous, and shrinking them first leaves little for the
  // columns.
  std::vector<float> sums(image.row_bytes());
  for (int y = 0; y < height; ++y) {
    mix_rows(image, rows[static_cast<size_t>(y)], sums);
    mix(sums, columns, result.row(y));
  }
  return result;
}

Image center_crop_square(const Image& image) {
  require_valid(image);
  const int side = std::min(image.width, image.height);
  const int left = (image.width - side) / 2, top = (image.height - side) / 2;
  Image square(side, side, image.channels);
  for (int y = 0; y < side; ++y)
    std::memcpy(square.row(y), image.at(left, top + y), square.row_bytes());
  return square;
}

}  // namespace gan
