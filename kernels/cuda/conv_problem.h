// The convolution as the kernels see it: plain numbers, passed by value.
//
// Forward and data gradient are the same gather. Each output pixel (row p, column q of a group)
// looks at a window of taps_h x taps_w source pixels that begins at
// (p*stride - pad_h, q*stride - pad_w), and every (tap, channel) pair meets one packed weight:
//   out[first_h + p*out_step, first_w + q*out_step, k]
//     = sum over tap r, s and c of source[p*stride - pad_h + r, q*stride - pad_w + s, c]
//                                  * weights[k, r, s, c]
// A forward convolution is one group. A data gradient is out_step^2 groups, one for each parity of
// the output pixel: only every out_step-th tap of the kernel meets such a pixel, in reverse order.
#pragma once

#include <cstdint>

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace gan::cuda {

// Division of 0..2^31-1 by a constant as a multiplication (Granlund & Montgomery 1994).
struct FastDivide {
  uint32_t divisor = 1, multiplier = 0, shift = 0;

  FastDivide() = default;
  explicit FastDivide(int64_t by) : divisor(static_cast<uint32_t>(by)) {
    if (divisor == 1) return;
    uint32_t bits = 0;  // ceil(log2(divisor))
    while ((uint64_t{1} << bits) < divisor) ++bits;
    multiplier =
        static_cast<uint32_t>(((uint64_t{1} << (31 + bits)) + divisor - 1) / uint64_t{divisor});
    shift = bits - 1;
  }
  __device__ int quotient(int value) const {
    if (divisor == 1) return value;
    const uint64_t product = static_cast<uint64_t>(static_cast<uint32_t>(value)) * multiplier;
    return static_cast<int>(static_cast<uint32_t>(product >> 32) >> shift);
  }
};

inline constexpr int kMaxGroups = 4;  // strides 1 and 2
inline constexpr int kMaxTaps = 25;   // a row's valid taps are the bits of one word

struct ConvGroup {
  int taps_h = 0, taps_w = 0;
  int pad_h = 0, pad_w = 0;      // may be negative
  int first_h = 0, first_w = 0;  // the output pixel of row 0, column 0
  int rows = 0, columns = 0;     // output pixels of one picture
  int pixels = 0;                // of all pictures
  int64_t weights = 0;           // where the group's packed weights begin, in elements
  FastDivide by_columns, by_area;

  // Sum length of one output value.
  __host__ __device__ int taps() const { return taps_h * taps_w; }
};

struct ConvShape {
  int source_h = 0, source_w = 0, source_c = 0;
  int out_h = 0, out_w = 0, out_c = 0;
  int64_t source_pitch = 0, out_pitch = 0;
  int stride = 1, out_step = 1;
  int groups = 1;
  ConvGroup group[kMaxGroups];  // most taps first, so that the long blocks start early
};

// The pixels of a group by number.
struct ConvPixel {
  int picture, row, column;
};
__device__ __forceinline__ ConvPixel pixel_of(const ConvGroup& group, int number) {
  const int picture = group.by_area.quotient(number);
  const int rest = number - picture * group.rows * group.columns;
  const int row = group.by_columns.quotient(rest);
  return {picture, row, rest - row * group.columns};
}

// The taps of `group` in the master weights: group tap r, s is master tap (first + r*step).
struct TapOrder {
  int first_h = 0, first_w = 0, step = 1;
};
struct TapOrders {
  TapOrder group[kMaxGroups];
};

// x and y are those of the plain convolution. Without pitches.
ConvShape forward_shape(const ConvGeometry& geometry, const Shape& x, const Shape& y);
ConvShape data_gradient_shape(const ConvGeometry& geometry, const Shape& x, const Shape& y);
TapOrder data_gradient_taps(const ConvGeometry& geometry, const ConvGroup& group);

}  // namespace gan::cuda
