// The two innermost loops of all convolutions on the CPU, for the instruction set at hand.
#pragma once

#include <cstdint>

namespace gan::cpu {

// Channels are worked on in tiles of up to kTile, in whole vectors of kVector.
inline constexpr int64_t kVector = 16;
inline constexpr int64_t kTile = 64;
inline constexpr int64_t kGatherPixels = 6;  // results of a gather
inline constexpr int64_t kOuterRows = 4;     // rows of an outer product

constexpr int64_t round_up(int64_t value, int64_t step) {
  return (value + step - 1) / step * step;
}

// out[i][0..width) (+)= sum over segments and j of in[i][segment offset + j] * panel[j][0..width)
// for kGatherPixels rows i. The panel's rows follow one another through all segments.
struct Gather {
  static constexpr int kMaxSegments = 8;
  struct Segment {
    int64_t offset, length;
  };

  int segments = 0;
  Segment segment[kMaxSegments];
  const float* panel = nullptr;
  int64_t width = 0;  // a multiple of kVector, at most kTile; also the length of a panel row
  const float* in[kGatherPixels];
  float* out[kGatherPixels];
  bool accumulate = false;
};

// sums[i][0..width) += sum over pixels p of left[p][i] * right[p][0..width), i < kOuterRows. The
// pixels are `rows` rows of `cols`; sums has kTile numbers per row.
struct Outer {
  int64_t rows = 0, cols = 0;
  const float* left = nullptr;
  const float* right = nullptr;
  int64_t left_step = 0;                  // numbers from pixel to pixel
  int64_t right_step = 0, right_row = 0;  // the same, and from row to row
  int64_t width = 0;                      // a multiple of kVector, at most kTile
  float* sums = nullptr;
};

struct ConvMicro {
  void (*gather)(const Gather&);
  void (*outer)(const Outer&);
};

// Null where the compiler has no vector types.
const ConvMicro* conv_micro();

}  // namespace gan::cpu
