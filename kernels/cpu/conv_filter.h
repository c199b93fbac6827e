// What the convolutions by minimal filtering share, with float32 numbers and with bfloat16 pairs.
#pragma once

#include <algorithm>
#include <vector>

#include "engine/parallel.h"
#include "kernels/cpu/conv_micro.h"
#include "kernels/cpu/conv_tiles.h"
#include "kernels/cpu/epilogue.h"
#include "kernels/cpu/fetch_ahead.h"
#include "kernels/cpu/stream.h"

namespace gan::cpu {

constexpr int64_t kFilterTiles = 48;  // of a block, at the most; a multiple of kGatherPixels
constexpr int64_t kFilterTasks = 16;  // enough for any usual number of threads

// Numbers from one product of a block's tiles to the next. An odd number of cache lines: even ones
// meet in a few places of the cache.
inline int64_t product_step(int64_t tiles, int64_t channels) {
  return tiles * channels + (tiles * channels / kVector % 2 == 0 ? kVector : 0);
}

// Where the pixels of a block's tiles begin.
struct BlockPixels {
  std::vector<const float*> inputs;  // [tile][row][column]
  std::vector<float*> outputs;       // the same

  // Tiles [begin, end), which see `outside` beyond the edges. Tiles that fill the last kGatherPixels
  // are all beyond.
  void list(const Tiling& tiling, const Tensor& from, const Tensor& to, int64_t begin, int64_t end,
            const float* outside, float* outside_to = nullptr);
  // What there is of `count` tiles from `begin` on, in the place of the inputs.
  void list_next(const Tiling& tiling, const Tensor& from, int64_t begin, int64_t count,
                 const float* outside);
  // Rows of the tiles, bit y for row y.
  void fetch_inputs(const Tiling& tiling, int64_t channels, uint32_t rows, FetchAhead& ahead) const;
  void fetch_outputs(const Tiling& tiling, int64_t channels, uint32_t rows,
                     FetchAhead& ahead) const;
};

// A convolution with its transformed weights.
template <class Lane>
struct FilterJob {
  const Tiling& tiling;
  const TileMicro& micro;
  const Tensor &from, &to;
  const Lane* panels;
  const Epilogue& epilogue;
  Write write;

  // Whether the results' transform applies the epilogue; otherwise it follows.
  bool fused() const {
    return epilogue.act == Activation::none || epilogue.act == Activation::relu;
  }
  // Whether results pass the cache.
  bool streams() const { return fused() && write == Write::overwrite && passes_cache(to); }
  // Products [p][q][tile][channel], `pitch` numbers apart, become result channels
  // [first, first + channels).
  void finish(const float* products, int64_t pitch, int64_t tiles, int64_t first, int64_t channels,
              const BlockPixels& pixels, float* outside) const;

  int64_t ins() const { return from.shape().c; }
  int64_t outs() const { return to.shape().c; }
  int64_t steps() const { return steps_for<Lane>(ins()); }
};

template <class Lane>
void FilterJob<Lane>::finish(const float* products, int64_t pitch, int64_t tiles, int64_t first,
                             int64_t channels, const BlockPixels& pixels, float* outside) const {
  static thread_local std::vector<float*> results;
  results.resize(pixels.outputs.size());
  std::transform(pixels.outputs.begin(), pixels.outputs.end(), results.begin(),
                 [&](float* pixel) { return pixel ? pixel + first : outside; });
  TileResult result = {products, pitch, tiles, channels, results.data(), write == Write::accumulate,
                       streams()};
  if (fused()) {
    result.bias = epilogue.bias ? epilogue.bias.template as<float>() + first : nullptr;
    result.relu = epilogue.act == Activation::relu;
  }
  micro.result(result);
  if (fused()) return;
  for (float* pixel : pixels.outputs) {
    if (pixel) apply_epilogue(epilogue, first, channels, pixel + first);
  }
}

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
