// Colours at some resolution, and photos of any size in them.
#pragma once

#include <vector>

#include "train/image/image.h"

namespace gan {

// Chroma of a picture in 8-bit levels (YCbCr, color.h).
struct ChromaPlane {
  int width = 0, height = 0;
  std::vector<float> cb, cr;  // row by row
};

// The photo (gray or RGB) in these colours, a plane of any size showing the same: each pixel keeps its
// luma and takes the plane's chroma, enlarged linearly and brought into the gamut (color.h, recolor).
// The luma of the result differs from the photo's by rounding only. Chroma that is not finite counts as
// gray.
//
// Enlarging guided by the photo's luma (He, Sun, "Fast guided filter", 2015) was measured and left out.
// With true chroma in 1/8 of a photo's size it makes CIEDE2000 5% smaller; with the networks' chroma,
// whose own error is far larger, it makes it 0.1% to 1% larger. What luma can do for these is done
// before, at their own size (smooth_chroma.h).
Image with_chroma(const Image& photo, const ChromaPlane& chroma);

// The same for a photo; alpha, bits and metadata stay. Takes the photo's memory over where it can.
Photo with_chroma(Photo photo, const ChromaPlane& chroma);

}  // namespace gan
