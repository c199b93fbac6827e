// How well a generator colours photos it is shown in gray.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "train/colorizer.h"
#include "train/dataset.h"
#include "train/metrics.h"

namespace gan {

// What is compared with the truth: the coloured photo as gan_colorize writes it, with its own luma,
// or the network's own RGB output.
enum class Output { own_luma, network };

// Gray input, output, for each photo; photos are 3-channel squares.
std::vector<Image> color_squares(Colorizer& colorizer, const std::vector<Image>& photos,
                                 Output output);

// Metrics of the first `limit` photos of the set (all when negative).
std::vector<PhotoMetrics> evaluate(Colorizer& colorizer, const PhotoSet& photos, int64_t limit,
                                   Output output,
                                   const std::function<void(int64_t done)>& progress = nullptr);

// Three rows - gray, output, truth - with a column for each photo.
Image sample_grid(const std::vector<Image>& outputs, const std::vector<Image>& truths);

}  // namespace gan
