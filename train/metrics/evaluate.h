// How well a generator colours photos it is shown in gray.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "train/color/colorizer.h"
#include "train/data/dataset.h"
#include "train/image/color.h"
#include "train/metrics/metrics.h"

namespace gan {

// What is compared with the truth: the coloured photo as gan_colorize writes it, with its own luma,
// or the network's own RGB output.
enum class Output { own_luma, network };

// Gray input, output, for each photo; photos are 3-channel squares.
std::vector<Image> color_squares(Colorizer& colorizer, const std::vector<Image>& photos,
                                 Output output);

// What gives photos colours, whoever that is; it must not look at those they have.
using Painter = std::function<std::vector<Image>(const std::vector<Image>& photos)>;
Painter painter_of(Colorizer& colorizer, Output output);
// What every network has to beat: one colour everywhere, on the photo's own luma.
Painter plain_painter(float cb, float cr);
// The mean colour of all pixels of all photos, which is the best single guess.
YCbCr mean_color(const PhotoSet& photos);

// Metrics of the first `limit` photos of the set (all when negative).
std::vector<PhotoMetrics> evaluate(const Painter& painter, const PhotoSet& photos,
                                   int64_t limit = -1,
                                   const std::function<void(int64_t done)>& progress = nullptr);
std::vector<PhotoMetrics> evaluate(Colorizer& colorizer, const PhotoSet& photos, int64_t limit,
                                   Output output);

// Three rows - gray, output, truth - with a column for each photo.
Image sample_grid(const std::vector<Image>& outputs, const std::vector<Image>& truths);
// The three rows of such a grid, without the gaps between photos. Throws DataError for a picture of
// another shape.
std::array<Image, 3> sample_rows(const Image& grid);

}  // namespace gan
