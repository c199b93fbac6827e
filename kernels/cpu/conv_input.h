// What a convolution multiplies, copied out in lanes: rows of a picture, dense and with the padding
// around them, and weights.
#pragma once

#include <algorithm>
#include <cstring>

#include "engine/tensor.h"
#include "kernels/cpu/bf16.h"
#include "kernels/cpu/conv_micro.h"

namespace gan::cpu {

// Rows [row, row + rows) and columns [col, col + cols), which may lie outside the picture.
struct Window {
  int64_t row = 0, rows = 0, col = 0, cols = 0;
  int64_t pixels() const { return rows * cols; }
};

// Neighbouring numbers of a pixel in lanes; a pair that misses its second number has a zero there.
inline void fill_lanes(const float* from, int64_t channels, float* to) {
  std::memcpy(to, from, static_cast<size_t>(channels) * sizeof(float));
}
inline void fill_lanes(const float* from, int64_t channels, Pair* to) {
  round_to_bf16(from, channels, reinterpret_cast<bf16*>(to));
  if (channels % 2 != 0) to[channels / 2].second = bf16();
}

// `count` lanes, the k-th of which holds the sum's terms from source[k * pitch] on: with pairs that
// number and the one `in_pitch` further, if there is `another`.
inline void pack_lanes(const float* source, int64_t count, int64_t pitch, int64_t, bool,
                       float* lanes) {
  for (int64_t k = 0; k < count; ++k) lanes[k] = source[k * pitch];
}
inline void pack_lanes(const float* source, int64_t count, int64_t pitch, int64_t in_pitch,
                       bool another, Pair* lanes) {
  for (int64_t k = 0; k < count; ++k) {
    lanes[k].first = bf16(source[k * pitch]);
    lanes[k].second = another ? bf16(source[k * pitch + in_pitch]) : bf16();
  }
}

// Copies channels [channel, channel + channels) of the window of picture n, in lanes along the
// channels: steps_for(channels) to a pixel. Zeros outside.
template <class Lane>
void copy_window(const Tensor& from, int64_t n, const Window& window, int64_t channel,
                 int64_t channels, Lane* to) {
  const Shape& s = from.shape();
  const int64_t steps = steps_for<Lane>(channels);
  const int64_t first = std::clamp<int64_t>(-window.col, 0, window.cols);
  const int64_t last = std::clamp<int64_t>(s.w - window.col, first, window.cols);
  for (int64_t row = window.row; row < window.row + window.rows; ++row, to += window.cols * steps) {
    if (row < 0 || row >= s.h || first == last) {
      std::fill_n(to, window.cols * steps, Lane{});
      continue;
    }
    const float* source =
        from.as<float>() + ((n * s.h + row) * s.w + window.col + first) * from.pitch() + channel;
    std::fill_n(to, first * steps, Lane{});
    Lane* out = to + first * steps;
    if (from.pitch() == channels && (std::is_same_v<Lane, float> || channels % 2 == 0)) {
      fill_lanes(source, (last - first) * channels, out);
    } else {
      for (int64_t x = first; x < last; ++x, source += from.pitch(), out += steps)
        fill_lanes(source, channels, out);
    }
    std::fill_n(to + last * steps, (window.cols - last) * steps, Lane{});
  }
}

}  // namespace gan::cpu
