// What the convolutions by minimal filtering share, with float32 numbers and with bfloat16 pairs.
#pragma once

#include <algorithm>

#include "engine/parallel.h"
#include "kernels/cpu/conv_micro.h"
#include "kernels/cpu/conv_tiles.h"
#include "kernels/cpu/epilogue.h"

namespace gan::cpu {

constexpr int64_t kFilterTiles = 48;  // of a block, at the most; a multiple of kGatherPixels
constexpr int64_t kFilterTasks = 16;  // enough for any usual number of threads

// A convolution with its transformed weights.
template <class Lane>
struct FilterJob {
  const Tiling& tiling;
  const TileMicro& micro;
  const Tensor &from, &to;
  const Lane* panels;
  const Epilogue& epilogue;
  Write write;

  int64_t ins() const { return from.shape().c; }
  int64_t outs() const { return to.shape().c; }
  int64_t steps() const { return steps_for<Lane>(ins()); }
};

// The nine taps between input channels [in, in + count) and result channels [first, first + width):
// [input channel][tap][kTile]. `out_first`: results' channels are the weights' rows (forward).
constexpr int64_t kTapChannels = 8;  // `count` at the most: 18 KB
using Taps = float[kTapChannels][9][kTile];
void read_taps(const Tiling& tiling, const Tensor& weights, bool out_first, int64_t in,
               int64_t count, int64_t first, int64_t width, Taps& taps);

// The transformed weights (bilinear.h) of an input channel's taps: micro().weights squared rows of
// `width`, `pitch` numbers apart.
void transform_taps(const Tiling& tiling, const float (&taps)[9][kTile], int64_t width, float* to,
                    int64_t pitch);

// pack(first, width, begin, end), by several threads: input channels [begin, end), kTapChannels or
// fewer, of the tile of result channels [first, first + width).
template <class Pack>
void for_each_panel_part(int64_t ins, int64_t outs, Pack&& pack) {
  const int64_t pieces = (ins + kTapChannels - 1) / kTapChannels;
  parallel_for((outs + kTile - 1) / kTile * pieces, [&](int64_t task) {
    const int64_t first = task / pieces * kTile, begin = task % pieces * kTapChannels;
    pack(first, std::min(kTile, outs - first), begin, std::min(ins, begin + kTapChannels));
  });
}

}  // namespace gan::cpu
