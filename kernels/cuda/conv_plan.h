// How a convolution's work is divided among blocks: tiles, splits of the sum, and the memory that
// these take. Between conv.cu, which launches, and conv_plan.cu, which decides.
#pragma once

#include "kernels/cuda/conv_launch.cuh"

namespace gan::cuda {

// An operation on the plain convolution with the same geometry.
enum class Direction { forward, data_gradient, weight_gradient };
struct Plain {
  Direction direction;
  Shape x, y;  // the plain convolution's
};
Plain plain_of(const Call& call);
ConvShape shape_of(const ConvGeometry& geometry, const Plain& plain);

// The sums of a tile.
struct Extent {
  int64_t m, n;
};
Extent extent_of(ConvTile tile);
bool on_warpgroups(ConvTile tile);

// ---- Forward and data gradient

// The tile that computes where `wanted` is asked for.
ConvTile gemm_tile(ConvTile wanted, DType type, bool gather, const ConvShape& shape);
// Among how many blocks a tile's sum is split; wanted 0: as seems best, else at most so many.
int64_t splits_of(ConvTile tile, const ConvShape& shape, int wanted);

// Whether the blocks of so many splits are a cluster; `sums`: whether the epilogue sums, which it does over
// whole tiles.
bool in_clusters(const ConvChoice& choice, int64_t splits, bool sums);

// Scratch memory of the epilogue's sums; the parts of split sums lie behind it.
size_t sums_bytes(const ConvShape& shape);

// ---- Weight gradient

ConvTile wgrad_tile(ConvTile wanted, DType type, WgradLoad load, const ConvShape& shape);
// Pixels of one split, whole steps; wanted as above.
int64_t split_pixels(ConvTile tile, const ConvShape& shape, int wanted);

// The weight gradient of a convolution of stride 1 with few output channels is that of the mirrored
// convolution from dy to x: then the wide tensor is read once, not once for every tap.
bool mirrors(const ConvGeometry& geometry, int64_t x_channels, int64_t y_channels);
ConvGeometry mirrored(const ConvGeometry& geometry);

}  // namespace gan::cuda
