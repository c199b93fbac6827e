#include "train/metrics/evaluate.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/parallel.h"

namespace gan {
namespace {

constexpr int kGap = 4;  // between the photos of a grid, in pixels

constexpr int64_t kBatch = 16;

void paste(const Image& from, int left, int top, Image& into) {
  for (int y = 0; y < from.height; ++y) {
    std::copy_n(from.row(y), from.row_bytes(), into.at(left, top + y));
  }
}

}  // namespace

std::vector<Image> color_squares(Colorizer& colorizer, const std::vector<Image>& photos,
                                 Output output) {
  return output == Output::own_luma ? colorizer.recolor_squares(photos) : colorizer.predict(photos);
}

Painter painter_of(Colorizer& colorizer, Output output) {
  return [&colorizer, output](const std::vector<Image>& photos) {
    return color_squares(colorizer, photos, output);
  };
}

Painter plain_painter(float cb, float cr) {
  return [color = ChromaPlane{1, 1, {cb}, {cr}}](const std::vector<Image>& photos) {
    std::vector<Image> outputs;
    for (const Image& photo : photos) outputs.push_back(with_chroma(photo, color));
    return outputs;
  };
}

YCbCr mean_color(const PhotoSet& photos) {
  uint64_t sums[3] = {};
  for (size_t i = 0; i < photos.pixels.size(); ++i) sums[i % 3] += photos.pixels[i];
  const auto mean = [&](uint64_t sum) {
    return static_cast<float>(3 * static_cast<double>(sum) / double(photos.pixels.size()));
  };
  return to_ycbcr(mean(sums[0]), mean(sums[1]), mean(sums[2]));
}

std::vector<PhotoMetrics> evaluate(const Painter& painter, const PhotoSet& photos, int64_t limit,
                                   const std::function<void(int64_t done)>& progress) {
  const int64_t count = limit < 0 ? photos.count() : std::min(limit, photos.count());
  std::vector<PhotoMetrics> all(static_cast<size_t>(count));
  for (int64_t begin = 0; begin < count; begin += kBatch) {
    const int64_t end = std::min(count, begin + kBatch);
    std::vector<Image> truths;
    for (int64_t i = begin; i < end; ++i) truths.push_back(photos.image(i));
    const std::vector<Image> outputs = painter(truths);
    parallel_for(end - begin, [&](int64_t i) { all[begin + i] = measure(outputs[i], truths[i]); });
    if (progress) progress(end);
  }
  return all;
}

std::vector<PhotoMetrics> evaluate(Colorizer& colorizer, const PhotoSet& photos, int64_t limit,
                                   Output output) {
  return evaluate(painter_of(colorizer, output), photos, limit);
}

Image sample_grid(const std::vector<Image>& outputs, const std::vector<Image>& truths) {
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

std::array<Image, 3> sample_rows(const Image& grid) {
  const int side = (grid.height + kGap) / 3 - kGap, cell = side + kGap;
  if (side < 1 || grid.height != 3 * cell - kGap || (grid.width + kGap) % cell != 0 ||
      grid.channels != 3) {
    throw DataError(
        str("a picture of ", grid.width, "x", grid.height, " pixels is no grid of sample photos"));
  }
  const int photos = (grid.width + kGap) / cell;
  std::array<Image, 3> rows;
  for (int r = 0; r < 3; ++r) {
    rows[r] = Image(photos * side, side, 3);
    for (int y = 0; y < side; ++y) {
      for (int i = 0; i < photos; ++i) {
        std::copy_n(grid.at(i * cell, r * cell + y), 3 * side, rows[r].at(i * side, y));
      }
    }
  }
  return rows;
}

}  // namespace gan
