// What colours do over a whole picture: which hues it has, and whether one thing has one colour.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "train/image/color.h"

namespace gan {

// How much of each hue there is, in CIELAB: every pixel with a chroma of at least 1 adds its chroma,
// shared between the two bins whose centres (0, 15, 30, ... degrees) its hue lies between.
constexpr int kHueBins = 24;
using HueHistogram = std::array<double, kHueBins>;
HueHistogram hue_histogram(const std::vector<Lab>& pixels);

// 1 - sum of min(p, q) over the bins, with p and q the histograms divided by their sums (histogram
// intersection: Swain, Ballard, "Color indexing", 1991): 0 the same hues in the same shares, 1 none
// in common. An output without any hue is at 1 from a truth with some. NaN when the truth has none.
double hue_distance(const HueHistogram& output, const HueHistogram& truth);

// How often each chroma occurs, over a grid of cells of Cb and Cr, in pixels.
constexpr int kChromaCells = 16;
using ChromaHistogram = std::array<float, kChromaCells * kChromaCells>;
ChromaHistogram chroma_histogram(const Image& image);
// -sum p log2 p over the cells, in bits: how many different colours there are. 0 when empty.
double entropy(const ChromaHistogram& histogram);

// The area under the curve "share of the pixels whose (a, b) lies within t of the truth's" over
// t = 0..150, divided by 150 (AuC: Zhang, Isola, Efros, "Colorful image colorization", 2016; they
// sum at whole t). That area is 1 - mean(min(distance, 150)) / 150. 1 for the truth.
double area_under_curve(const std::vector<Lab>& output, const std::vector<Lab>& truth);

// Parts of a picture that look like one surface: for every pixel the number of its segment, or -1
// where the segment would have fewer than kSegmentPixels. Segments grow from their topmost left
// pixel to neighbours (left, right, above, below) whose colour is within kSegmentColor (CIELAB
// distance) of the segment's mean so far.
constexpr int kSegmentPixels = 64;
constexpr double kSegmentColor = 12;
std::vector<int32_t> segments(const std::vector<Lab>& pixels, int width, int height);

// How evenly the output paints what the truth paints evenly, over the truth's segments. NaN without
// any.
struct Evenness {
  // Blotches, in CIELAB units: for each segment the spread sqrt(var a + var b) of the output's pixels
  // minus that of the truth's, 0 where it is not larger; mean over the segments' pixels. 0 for the
  // truth and for gray, whatever a segment's colour: to be read beside the colourfulness.
  double blotch;
  // The correlation ratio eta^2 (Fisher 1925) of the output's (a, b) and the segments: the share of its
  // variance that lies between segments, not within them. 1 where every segment has one colour of its
  // own, near 0 where colours change without regard to what things there are. It does not depend on the
  // saturation, and a single colour for all is no way to get it: NaN where (a, b) vary by less than
  // kLeastVariance.
  double coherence;
};
constexpr double kLeastVariance = 1;
Evenness evenness(const std::vector<Lab>& output, const std::vector<Lab>& truth, int width,
                  int height);

}  // namespace gan
