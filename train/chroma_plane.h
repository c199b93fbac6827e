// Colours at some resolution, and photos of any size in them.
#pragma once

#include <vector>

#include "train/image.h"

namespace gan {

// Chroma of a picture in 8-bit levels (YCbCr, color.h).
struct ChromaPlane {
  int width = 0, height = 0;
  std::vector<float> cb, cr;  // row by row
};

// What part of a plane shows the photo, from the top left, in pixels of the plane; the rest is
// padding.
struct Shown {
  double width, height;
};

// The photo (gray or RGB) in these colours: each pixel keeps its luma and takes the plane's chroma,
// enlarged linearly and brought into the gamut (color.h, recolor). The luma of the result differs from
// the photo's by at most one half of what rounding can tell apart. Chroma that is not finite counts as
// gray.
Image with_chroma(const Image& photo, const ChromaPlane& chroma);

// The same for a photo; alpha, bits and metadata stay. Takes the photo's memory over where it can.
Photo with_chroma(Photo photo, const ChromaPlane& chroma, const Shown& shown);

}  // namespace gan
