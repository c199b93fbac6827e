// The innermost loops of all convolutions on the CPU, for the instruction set at hand.
#pragma once

#include <cstdint>
#include <type_traits>

#include "engine/dtype.h"
#include "kernels/cpu/fetch_ahead.h"

namespace gan::cpu {

// Channels are worked on in tiles of up to kTile, in whole vectors of kVector.
inline constexpr int64_t kVector = 16;
inline constexpr int64_t kTile = 64;
inline constexpr int64_t kGatherPixels = 6;  // results of a gather
inline constexpr int64_t kOuterRows = 4;     // rows of an outer product

inline constexpr int64_t kTurnSteps = 64;  // of a product's sum from one fetch ahead to the next

constexpr int64_t round_up(int64_t value, int64_t step) {
  return (value + step - 1) / step * step;
}

// What a product's factors are: either way a step of a sum is a lane of 32 bits, and sums are float.
//
//   float   one number; a step is a multiply-add
//   Pair    two neighbouring terms of the sum, each rounded to bfloat16; a step adds both products,
//           which is twice the arithmetic where the processor has an instruction for it
struct Pair {
  bf16 first, second;
};
static_assert(sizeof(Pair) == sizeof(float));

// How many steps a sum of so many terms has.
template <class Lane>
constexpr int64_t steps_for(int64_t terms) {
  constexpr int64_t kTerms = std::is_same_v<Lane, Pair> ? 2 : 1;
  return (terms + kTerms - 1) / kTerms;
}

// out[i][0..width) (+)= sum over segments and j of in[i][segment offset + j] * panel[j][0..width)
// for kGatherPixels rows i. The panel's rows follow one another through all segments.
template <class Lane>
struct Gather {
  static constexpr int kMaxSegments = 8;
  struct Segment {
    int64_t offset, length;
  };

  int segments = 0;
  Segment segment[kMaxSegments];
  const Lane* panel = nullptr;
  int64_t width = 0;  // a multiple of kVector, at most kTile; also the length of a panel row
  const Lane* in[kGatherPixels];
  float* out[kGatherPixels];
  bool accumulate = false;
};

// out[i][0..width) = sum over j < length of in[i][j] * panel[j][0..width): a product of matrices.
template <class Lane>
struct MatrixProduct {
  const Lane* panel = nullptr;
  // A panel as long, to be fetched into the cache meanwhile: the one that is wanted next, or this one.
  const Lane* next_panel = nullptr;
  const Lane* in = nullptr;
  float* out = nullptr;
  int64_t rows = 0;  // i; a multiple of kGatherPixels
  int64_t length = 0;
  int64_t in_step = 0, out_step = 0;  // from row to row
  int64_t width = 0;                  // as above
  FetchAhead* ahead = nullptr;        // if any: has a turn every kTurnSteps steps of a sum
};

// sums[i][0..width) (+)= sum over steps p of left[p][i] * right[p][0..width), i < kOuterRows. The
// steps, each a pixel or two, are `rows` rows of `cols`; sums has kTile numbers per row, and those of the
// next outer product are expected behind them.
template <class Lane>
struct Outer {
  int64_t rows = 0, cols = 0;
  const Lane* left = nullptr;
  const Lane* right = nullptr;
  int64_t left_step = 0;                  // lanes from step to step
  int64_t right_step = 0, right_row = 0;  // the same, and from row to row
  int64_t width = 0;                      // a multiple of kVector, at most kTile
  float* sums = nullptr;
  bool accumulate = true;
};

template <class Lane>
struct ConvMicro {
  void (*gather)(const Gather<Lane>&);
  void (*multiply)(const MatrixProduct<Lane>&);
  void (*outer)(const Outer<Lane>&);
};

// For the instruction set at hand. Null where the compiler has no vector types.
template <class Lane>
const ConvMicro<Lane>* conv_micro();

// Whether the processor multiplies pairs faster than single numbers.
bool pairs_are_fast();

}  // namespace gan::cpu
