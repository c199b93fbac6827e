// How much colour a network's answers lack, or have too much of.
#pragma once

#include <cstdint>

#include "train/color/colorizer.h"
#include "train/data/dataset.h"

namespace gan {

constexpr double kLeastSaturation = 0.5, kMostFittedSaturation = 2;

// The gain (ColorizeOptions::saturation) with which the coloured photos, all of them together, are as
// colourful (color.h) as the true ones: sum of colorfulness(output) = sum of colorfulness(truth). In
// kLeastSaturation..kMostFittedSaturation, to two digits; 1 when the network gives no colour at all or
// the photos have none. `colorizer` has to have saturation 1.
double fitted_saturation(Colorizer& colorizer, const PhotoSet& photos);

}  // namespace gan
