// Which input pixels and which weights a result pixel of a convolution depends on.
#pragma once

#include <vector>

#include "kernels/cpu/conv.h"

namespace gan::cpu {

// One class of result pixels. Its windows have `rows` x `cols` pixels.
struct PixelClass {
  int64_t y, x;         // residues that tell the class
  int64_t rows, cols;   // of the window
  int64_t taps_before;  // window pixels of the classes before it: where its panels start
};

// The geometry of one direction.
class Windows {
 public:
  Windows(ConvDirection direction, const ConvShape& shape)
      : forward_(direction == ConvDirection::forward),
        kernel_(shape.geometry.kernel),
        stride_(shape.geometry.stride),
        padding_(shape.geometry.padding),
        step_(forward_ ? 1 : stride_) {
    int64_t taps = 0;
    for (int64_t y = 0; y < step_; ++y) {
      for (int64_t x = 0; x < step_; ++x) {
        classes_.push_back({y, x, extent(y), extent(x), taps});
        taps += classes_.back().rows * classes_.back().cols;
      }
    }
  }

  const std::vector<PixelClass>& classes() const { return classes_; }
  // Neighbouring pixels of a class are this far apart.
  int64_t step() const { return step_; }

  // The first row (or column) at or after `from` of the class with residue `residue`.
  int64_t first(int64_t from, int64_t residue) const {
    return from + ((residue - from - padding_) % step_ + step_) % step_;
  }
  // Where the window of row (or column) y starts; `size` is the window's extent.
  int64_t start(int64_t y, int64_t size) const {
    return forward_ ? y * stride_ - padding_ : (y + padding_) / stride_ - (size - 1);
  }
  // The weights' row (or column) at place `i` of a window.
  int64_t tap(int64_t i, int64_t residue, int64_t size) const {
    return forward_ ? i : residue + (size - 1 - i) * stride_;
  }
  // Input rows (or columns) that results [begin, end) look at.
  int64_t input_begin(int64_t begin) const { return start(begin, extent(0)); }
  int64_t input_end(int64_t end) const { return start(end - 1, extent(0)) + extent(0); }

 private:
  int64_t extent(int64_t residue) const {
    return forward_ ? kernel_ : residue < kernel_ ? (kernel_ - residue - 1) / stride_ + 1 : 0;
  }

  bool forward_;
  int64_t kernel_, stride_, padding_, step_;
  std::vector<PixelClass> classes_;
};

}  // namespace gan::cpu
