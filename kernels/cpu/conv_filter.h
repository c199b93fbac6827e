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

// The transformed weights (bilinear.h) between input channel `in` and result channels [first, first +
// width): micro().weights squared rows, `pitch` numbers apart. `out_first`: results' channels are
// the weights' rows (forward).
void transformed_weights(const Tiling& tiling, const Tensor& weights, bool out_first, int64_t in,
                         int64_t first, int64_t width, float* to, int64_t pitch);

// pack(first, width, begin, end), by several threads: input channels [begin, end), a cache line of
// weights, of the tile of result channels [first, first + width).
template <class Pack>
void for_each_panel_part(int64_t ins, int64_t outs, Pack&& pack) {
  constexpr int64_t kChannels = 16;
  const int64_t pieces = (ins + kChannels - 1) / kChannels;
  parallel_for((outs + kTile - 1) / kTile * pieces, [&](int64_t task) {
    const int64_t first = task / pieces * kTile, begin = task % pieces * kChannels;
    pack(first, std::min(kTile, outs - first), begin, std::min(ins, begin + kChannels));
  });
}

}  // namespace gan::cpu
