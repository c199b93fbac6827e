// Rows of a picture copied out for a convolution: dense, with the padding around them.
#pragma once

#include <algorithm>
#include <cstring>

#include "engine/tensor.h"

namespace gan::cpu {

// Working memory of one thread, kept between calls.
class ThreadScratch {
 public:
  // `count` floats, valid until the next call with this object.
  float* floats(int64_t count) {
    const size_t bytes = static_cast<size_t>(count) * sizeof(float);
    if (buffer_.bytes() < bytes) buffer_ = Buffer(host_memory(), bytes);
    return static_cast<float*>(buffer_.data());
  }

 private:
  Buffer buffer_;
};

// Rows [row, row + rows) and columns [col, col + cols), which may lie outside the picture.
struct Window {
  int64_t row = 0, rows = 0, col = 0, cols = 0;
  int64_t pixels() const { return rows * cols; }
};

// Copies channels [channel, channel + channels) of the window of picture n; zeros outside.
inline void copy_window(const Tensor& from, int64_t n, const Window& window, int64_t channel,
                        int64_t channels, float* to) {
  const Shape& s = from.shape();
  const int64_t first = std::clamp<int64_t>(-window.col, 0, window.cols);
  const int64_t last = std::clamp<int64_t>(s.w - window.col, first, window.cols);
  for (int64_t row = window.row; row < window.row + window.rows;
       ++row, to += window.cols * channels) {
    if (row < 0 || row >= s.h || first == last) {
      std::fill_n(to, window.cols * channels, 0.0f);
      continue;
    }
    const float* source =
        from.as<float>() + ((n * s.h + row) * s.w + window.col + first) * from.pitch() + channel;
    std::fill_n(to, first * channels, 0.0f);
    float* out = to + first * channels;
    if (from.pitch() == channels) {
      std::memcpy(out, source, static_cast<size_t>((last - first) * channels) * sizeof(float));
    } else {
      for (int64_t x = first; x < last; ++x, source += from.pitch(), out += channels)
        std::memcpy(out, source, static_cast<size_t>(channels) * sizeof(float));
    }
    std::fill_n(to + last * channels, (window.cols - last) * channels, 0.0f);
  }
}

}  // namespace gan::cpu
