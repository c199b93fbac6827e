// resize, shrunk_luma and center_crop_square of train/image/image.h.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/error.h"
#include "engine/parallel.h"
#include "kernels/cpu/simd.h"
#include "train/image/color.h"
#include "train/image/image.h"

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

// sums[x] += weight * row[x]
GAN_SIMD void add_levels(const uint8_t* row, size_t count, float weight, float* sums) {
  for (size_t x = 0; x < count; ++x) sums[x] += weight * static_cast<float>(row[x]);
}

// sums[x] += weight * luma of pixel x, of which there are as many as `sums` has numbers.
template <class T>
GAN_INLINE void add_luma_of(const T* row, int channels, size_t count, float weight, float* sums) {
  if (channels == 1) {
    for (size_t x = 0; x < count; ++x) sums[x] += weight * static_cast<float>(row[x]);
  } else {
    const float red = weight * kLumaRed, green = weight * kLumaGreen, blue = weight * kLumaBlue;
    for (size_t x = 0; x < count; ++x)
      sums[x] += red * static_cast<float>(row[3 * x]) + green * static_cast<float>(row[3 * x + 1]) +
                 blue * static_cast<float>(row[3 * x + 2]);
  }
}
GAN_SIMD void add_luma(const uint8_t* row, int channels, size_t count, float weight, float* sums) {
  add_luma_of(row, channels, count, weight, sums);
}
GAN_SIMD void add_luma(const uint16_t* row, int channels, size_t count, float weight, float* sums) {
  add_luma_of(row, channels, count, weight, sums);
}

// Fills `result` from a picture of another size. add_row(y, weight, sums) adds the weighted row y of
// that picture to the sums.
template <class AddRow>
void resample(int from_width, int from_height, Image& result, const AddRow& add_row) {
  const auto columns = axis_taps(from_width, result.width);
  const auto rows = axis_taps(from_height, result.height);
  const auto mix = result.channels == 1   ? mix_columns<1>
                   : result.channels == 2 ? mix_columns<2>
                   : result.channels == 3 ? mix_columns<3>
                                          : mix_columns<4>;
  // Pieces that are worth a thread.
  constexpr int64_t kPiecePixels = 1 << 18;
  const int64_t pixels = int64_t{from_width} * std::max(from_height, result.height);
  const int64_t piece = std::max<int64_t>(1, kPiecePixels * result.height / pixels);
  parallel_ranges(result.height, piece, [&](int64_t begin, int64_t end) {
    // Rows first: they are long and contiguous, and shrinking them first leaves little for the
    // columns.
    std::vector<float> sums(static_cast<size_t>(from_width) * static_cast<size_t>(result.channels));
    for (int y = static_cast<int>(begin); y < end; ++y) {
      const Taps& taps = rows[static_cast<size_t>(y)];
      std::fill(sums.begin(), sums.end(), 0.0f);
      for (size_t k = 0; k < taps.weights.size(); ++k)
        add_row(taps.first + static_cast<int>(k), taps.weights[k], sums);
      mix(sums, columns, result.row(y));
    }
  });
}

}  // namespace

Image resize(const Image& image, int width, int height) {
  require_valid(image);
  Image result(width, height, image.channels);
  resample(image.width, image.height, result, [&](int y, float weight, std::vector<float>& sums) {
    add_levels(image.row(y), sums.size(), weight, sums.data());
  });
  return result;
}

Image shrunk_luma(const Photo& photo, int width, int height) {
  require_valid(photo);
  Image result(width, height, 1);
  const size_t row_values = static_cast<size_t>(photo.width) * static_cast<size_t>(photo.channels);
  resample(photo.width, photo.height, result, [&](int y, float weight, std::vector<float>& sums) {
    const size_t first = static_cast<size_t>(y) * row_values;
    if (photo.bits == 8) {
      add_luma(photo.samples.data() + first, photo.channels, sums.size(), weight, sums.data());
    } else {
      add_luma(photo.deep_samples.data() + first, photo.channels, sums.size(), weight / 257,
               sums.data());
    }
  });
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
