#include "train/evaluate.h"

#include <algorithm>

#include "engine/parallel.h"
#include "train/color.h"

namespace gan {
namespace {

constexpr int64_t kBatch = 16;

void paste(const Image& from, int left, int top, Image& into) {
  for (int y = 0; y < from.height; ++y) {
    std::copy_n(from.row(y), from.row_bytes(), into.at(left, top + y));
  }
}

Image gray_of(const Image& photo) {
  Image gray(photo.width, photo.height, 3);
  for (int y = 0; y < photo.height; ++y) {
    for (int x = 0; x < photo.width; ++x) {
      const uint8_t* p = photo.at(x, y);
      std::fill_n(gray.at(x, y), 3, luma_u8(p[0], p[1], p[2]));
    }
  }
  return gray;
}

}  // namespace

std::vector<Image> color_squares(Colorizer& colorizer, const std::vector<Image>& photos,
                                 Output output) {
  return output == Output::own_luma ? colorizer.recolor_squares(photos) : colorizer.predict(photos);
}

std::vector<PhotoMetrics> evaluate(Colorizer& colorizer, const PhotoSet& photos, int64_t limit,
                                   Output output,
                                   const std::function<void(int64_t done)>& progress) {
  const int64_t count = limit < 0 ? photos.count() : std::min(limit, photos.count());
  std::vector<PhotoMetrics> all(static_cast<size_t>(count));
  for (int64_t begin = 0; begin < count; begin += kBatch) {
    const int64_t end = std::min(count, begin + kBatch);
    std::vector<Image> truths;
    for (int64_t i = begin; i < end; ++i) truths.push_back(photos.image(i));
    const std::vector<Image> outputs = color_squares(colorizer, truths, output);
    parallel_for(end - begin, [&](int64_t i) { all[begin + i] = measure(outputs[i], truths[i]); });
    if (progress) progress(end);
  }
  return all;
}

Image sample_grid(const std::vector<Image>& outputs, const std::vector<Image>& truths) {
  constexpr int kGap = 4;
  const int side = truths[0].width;
  const int columns = static_cast<int>(truths.size());
  Image grid(columns * (side + kGap) - kGap, 3 * (side + kGap) - kGap, 3);
  std::fill(grid.pixels.begin(), grid.pixels.end(), uint8_t{255});
  for (int i = 0; i < columns; ++i) {
    const int left = i * (side + kGap);
    paste(gray_of(truths[i]), left, 0, grid);
    paste(outputs[i], left, side + kGap, grid);
    paste(truths[i], left, 2 * (side + kGap), grid);
  }
  return grid;
}

}  // namespace gan
