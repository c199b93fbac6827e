// How a convolution is cut into the tiles of an algorithm of bilinear.h.
#pragma once

#include "kernels/cpu/conv.h"
#include "kernels/cpu/tile_micro.h"

namespace gan::cpu {

class Tiling {
 public:
  // The weights' gradient is cut as forward is.
  Tiling(ConvDirection direction, const ConvShape& shape, TileSizes sizes);

  TileAlgorithm algorithm() const { return algorithm_; }
  const TileMicro& micro() const { return *tile_micro(algorithm_); }
  // Of the whole batch.
  int64_t tiles() const { return results_.n * rows_ * cols_; }
  // Whether the weights' taps go backwards: in the data gradient with stride 1.
  bool backwards() const { return backwards_; }

  // A tile's pixels: where they begin in `from` or `to`, a tensor that the convolution reads or
  // writes; `outside` stands for those beyond the edges. [row][column]
  void inputs(const Tensor& from, int64_t tile, const float* outside, const float** pixels) const;
  void outputs(const Tensor& to, int64_t tile, float* outside, float** pixels) const;

  // Columns of a tile's inputs that the tile before it has, too.
  int64_t overlap() const { return micro().inputs - in_step_; }

  // Multiplications per pair of channels.
  int64_t multiplications() const;

 private:
  struct Place {
    int64_t n, row, col;  // row and column of the tile
  };
  Place place(int64_t tile) const;

  Shape results_;
  TileAlgorithm algorithm_ = TileAlgorithm::same2;
  int64_t rows_ = 0, cols_ = 0;         // tiles of a picture
  int64_t in_step_ = 0, in_first_ = 0;  // where a tile's inputs begin
  bool backwards_ = false;
};

}  // namespace gan::cpu
