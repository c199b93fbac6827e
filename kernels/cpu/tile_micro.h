// The transforms of minimal filtering (bilinear.h) on tiles of a picture, for the instruction set at
// hand. Channels, of which there are a multiple of kVector, are worked on side by side.
#pragma once

#include <array>
#include <cstdint>

#include "engine/dtype.h"

namespace gan::cpu {

// As TileRow below, with sums that are rounded to the nearest bfloat16, ties to even.
struct RoundedTileRow {
  const float* const* pixels = nullptr;
  int64_t tiles = 0, channels = 0;
  bf16* to = nullptr;  // [product of the row][tile][channel]
};

// One row of a transformed tile, of several tiles: M x M' with M a matrix of bilinear.h, a row of M
// at a time. A whole transformed layer would not fit the cache; a row of it does.
struct TileRow {
  const float* const* pixels = nullptr;  // [tile][row][column], each the pixel's first channel
  int64_t tiles = 0, channels = 0;
  // Channel c of product q of a tile goes to
  // to[q * product_step + c / group * group_step + tile * group + c % group].
  float* to = nullptr;
  int64_t product_step = 0, group = 0, group_step = 0;
};

// The results of several tiles: A products A'.
struct TileResult {
  const float* products = nullptr;  // [product row][product column][tile][channel]
  int64_t product_step = 0;         // numbers from one product to the next
  int64_t tiles = 0, channels = 0;
  float* const* pixels = nullptr;  // [tile][row][column]
  bool accumulate = false;         // add to what is there
  bool streams = false;            // past the cache (stream.h), not with accumulate
  const float* bias = nullptr;     // of each channel, added where there is one
  bool relu = false;               // then applied
};

// The weights' gradient from sums of products: G' sums G.
struct TileGradient {
  const float* sums = nullptr;  // [weight row][weight column], each `pitch` numbers from the last
  int64_t pitch = 0, channels = 0;
  float* to = nullptr;  // nine rows [r, t], `to_pitch` numbers apart
  int64_t to_pitch = 0;
  bool accumulate = false;  // add to what is there
};

enum class TileAlgorithm : uint8_t { same2, same3, same4, down2, down3, down4, up2, up3, up4 };

// An algorithm of bilinear.h as data, with its functions.
struct TileMicro {
  static constexpr int kMaxProducts = 9, kMaxWeights = 6;
  using Row = void (*)(const TileRow&);

  int inputs = 0, outputs = 0, products = 0, weights = 0;  // along one dimension
  std::array<std::array<float, 3>, kMaxWeights> g{};
  std::array<int, kMaxProducts> weight_of{};
  // Bit y: row y of a tile's inputs (outputs) is read for row p of B x B' (A' dy A), and for none before.
  std::array<uint32_t, kMaxProducts> new_inputs{}, new_outputs{};
  std::array<Row, kMaxProducts> input{};     // row p of B x B'
  std::array<Row, kMaxProducts> gradient{};  // row p of A' dy A
  void (*result)(const TileResult&) = nullptr;
  void (*weights_gradient)(const TileGradient&) = nullptr;
  std::array<void (*)(const RoundedTileRow&), kMaxProducts> rounded{};  // as `input`
};

// Null where the compiler has no vector types.
const TileMicro* tile_micro(TileAlgorithm algorithm);

}  // namespace gan::cpu
