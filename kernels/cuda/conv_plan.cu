// How a convolution's work is divided among blocks. See conv_plan.h and conv.h.
#include "kernels/cuda/conv_plan.h"

#include <algorithm>
#include <limits>
#include <span>

#include "kernels/cuda/cluster.h"
#include "kernels/cuda/wgmma.h"

namespace gan::cuda {
namespace {

// Blocks that give every multiprocessor of an H200 one. Constants, because sums must not depend on
// the number of a device's multiprocessors.
constexpr int64_t kFullDevice = 132;
// A split shorter than this is all start and end.
constexpr int64_t kMinStepsPerSplit = 4;

constexpr int64_t kStepTerms = 64;  // of the longest steps, those of warpgroups

bool has_warpgroups(DType type) {
  return type == DType::bf16 && gpu::has_wgmma();
}

int64_t terms_of(const ConvShape& shape, int group) {
  return int64_t{shape.group[group].taps()} * shape.source_c;
}

int64_t tiles_of(ConvTile tile, const ConvShape& shape) {
  const Extent e = extent_of(tile);
  int64_t tiles = 0;
  for (int g = 0; g < shape.groups; ++g) tiles += ceil_div(shape.group[g].pixels, e.m);
  return tiles * ceil_div(shape.out_c, e.n);
}

// The grid's places for tiles: it has room for the largest group in every group.
int64_t places_of(ConvTile tile, const ConvShape& shape) {
  const Extent e = extent_of(tile);
  int64_t tiles = 0;
  for (int g = 0; g < shape.groups; ++g)
    tiles = std::max(tiles, ceil_div(shape.group[g].pixels, e.m));
  return shape.groups * tiles * ceil_div(shape.out_c, e.n);
}

// The measured best of the tiles in conv_wgmma.cu: the large one where it fills the device, or
// nearly.
ConvTile warpgroup_tile(const ConvShape& shape) {
  constexpr int64_t kNearlyFull = kFullDevice * 9 / 10, kFewTiles = 32;
  if (shape.out_c <= 32) return ConvTile::automatic;
  if (shape.out_c > 64 && tiles_of(ConvTile::w256n128, shape) >= kNearlyFull)
    return ConvTile::w256n128;
  return tiles_of(ConvTile::w128n64, shape) >= kFewTiles ? ConvTile::w128n64 : ConvTile::automatic;
}

size_t aligned_size(size_t bytes) {
  return gpu::shared_piece_bytes(bytes);
}

// Of the parts of split sums.
size_t split_bytes(const ConvChoice& choice, ConvTile tile, const ConvShape& shape, bool sums) {
  const int64_t splits = splits_of(tile, shape, choice.splits);
  if (splits == 1 || in_clusters(choice, splits, sums)) return 0;
  const Extent e = extent_of(tile);
  return static_cast<size_t>(places_of(tile, shape) * splits * e.m * e.n) * sizeof(float);
}

// ---- Weight gradient

int64_t wgrad_columns(const ConvShape& shape) {
  return terms_of(shape, 0);
}

int64_t wgrad_tiles(ConvTile tile, const ConvShape& shape) {
  const Extent e = extent_of(tile);
  return ceil_div(shape.out_c, e.m) * ceil_div(wgrad_columns(shape), e.n);
}

int64_t wgrad_splits(ConvTile tile, const ConvShape& shape, int wanted) {
  return ceil_div(shape.group[0].pixels, split_pixels(tile, shape, wanted));
}

size_t parts_bytes(const ConvShape& shape, int64_t splits) {
  return static_cast<size_t>(splits * shape.out_c * wgrad_columns(shape)) * sizeof(float);
}

// The roles of the two tensors in the product that computes a weight gradient.
ConvShape wgrad_shape(const ConvGeometry& geometry, const Plain& plain) {
  return mirrors(geometry, plain.x.c, plain.y.c)
             ? forward_shape(mirrored(geometry), plain.y, plain.x)
             : forward_shape(geometry, plain.x, plain.y);
}

// ---- What is worth measuring

// A tile is tried in numbers of splits with which it makes `fewest` to `most` blocks, and without a
// split up to `unsplit` blocks.
struct Trial {
  ConvTile tile;
  int64_t fewest, most, unsplit;
};
constexpr int64_t kAnyNumber = std::numeric_limits<int64_t>::max();
// With fewer blocks, four of five multiprocessors have nothing to do.
constexpr int64_t kFewBlocks = kFullDevice / 5;

// Most: what finds room on the device at once. The deep tile, alone on its multiprocessor, stands
// for the shallow one of the same extent wherever there are no more blocks than multiprocessors.
constexpr Trial kWarpgroupTrials[] = {
    {ConvTile::w128n64deep, kFewBlocks, kFullDevice, kFullDevice},
    {ConvTile::w64n64, kFewBlocks, 2 * kFullDevice, 4 * kFullDevice},
    {ConvTile::w128n64, kFullDevice + 1, 2 * kFullDevice, kAnyNumber},
    {ConvTile::w256n128, kFullDevice / 2, kFullDevice, kAnyNumber}};
constexpr Trial kWarpTrials[] = {{ConvTile::m64n64, kFewBlocks, 2 * kFullDevice, 8 * kFullDevice},
                                 {ConvTile::m128n64, kFullDevice, 3 * kFullDevice, kAnyNumber},
                                 {ConvTile::m128n128, kFullDevice, 2 * kFullDevice, kAnyNumber}};

constexpr Trial kWarpgroupWgradTrials[] = {
    {ConvTile::w256n128, kFullDevice / 2, kFullDevice, kAnyNumber},
    {ConvTile::w128n128, kFullDevice / 2, 2 * kFullDevice, kAnyNumber}};
constexpr Trial kWarpWgradTrials[] = {
    {ConvTile::m64n64, kFullDevice, 4 * kFullDevice, 8 * kFullDevice},
    {ConvTile::m128n128, kFullDevice / 2, 2 * kFullDevice, kAnyNumber}};

// Whether half of every tile or more would be empty.
bool too_large(const Extent& tile, int64_t rows, int64_t columns) {
  return 2 * rows <= tile.m || 2 * columns <= tile.n;
}

std::vector<ConvChoice> gemm_choices(DType type, Math math, const ConvShape& shape) {
  constexpr int64_t kLeastSteps = 3;  // of a split
  const ConvTile own = gemm_tile(ConvTile::automatic, type, false, shape);
  const int64_t own_splits = splits_of(own, shape, 0);
  std::vector<ConvChoice> choices = {math};
  const bool warpgroups = has_warpgroups(type) && shape.out_c > 32;
  for (const Trial& trial : warpgroups ? std::span<const Trial>(kWarpgroupTrials)
                                       : std::span<const Trial>(kWarpTrials)) {
    const Extent e = extent_of(trial.tile);
    if (gemm_tile(trial.tile, type, false, shape) != trial.tile ||
        too_large(e, shape.group[0].pixels, shape.out_c))
      continue;
    const int64_t tiles = tiles_of(trial.tile, shape);
    // Instead of a large tile in many splits: small ones in few.
    if (e.m * e.n > 128 * 64 && tiles < kFullDevice / 4) continue;
    for (int splits = 1; splits_of(trial.tile, shape, splits) == splits; splits *= 2) {
      if (splits > 1 && terms_of(shape, 0) < kLeastSteps * kStepTerms * splits) break;
      if (tiles * splits > (splits == 1 ? trial.unsplit : trial.most)) break;
      if (tiles * splits < trial.fewest) continue;
      if (trial.tile != own || splits != own_splits) choices.emplace_back(math, trial.tile, splits);
      const ConvChoice clusters(math, trial.tile, splits, true);
      if (gpu::has_clusters() && in_clusters(clusters, splits, false)) choices.push_back(clusters);
    }
  }
  return choices;
}

std::vector<ConvChoice> wgrad_choices(DType type, Math math, const ConvShape& shape) {
  constexpr int64_t kLeastSteps = 2;  // of a split
  const ConvTile own = wgrad_tile(ConvTile::automatic, type, WgradLoad::copy, shape);
  const int64_t own_splits = wgrad_splits(own, shape, 0);
  const int64_t steps = ceil_div(shape.group[0].pixels, kStepTerms);
  std::vector<ConvChoice> choices = {math};
  for (const Trial& trial : on_warpgroups(own) ? std::span<const Trial>(kWarpgroupWgradTrials)
                                               : std::span<const Trial>(kWarpWgradTrials)) {
    if (too_large(extent_of(trial.tile), shape.out_c, wgrad_columns(shape))) continue;
    const int64_t tiles = wgrad_tiles(trial.tile, shape);
    int64_t last = 0;
    for (int64_t blocks = trial.fewest; blocks <= trial.most; blocks *= 2) {
      const auto wanted = static_cast<int>(
          std::clamp<int64_t>(blocks / tiles, 1, std::max<int64_t>(1, steps / kLeastSteps)));
      const int64_t splits = wgrad_splits(trial.tile, shape, wanted);
      if (splits == last || (splits == 1 && tiles > trial.unsplit)) continue;
      last = splits;
      if (trial.tile == own && splits == own_splits) continue;
      choices.emplace_back(math, trial.tile, static_cast<int>(splits));
    }
  }
  return choices;
}

}  // namespace

Plain plain_of(const Call& call) {
  switch (call.op) {
    case Op::conv_forward:
      return {Direction::forward, call.x, call.y};
    case Op::conv_backward_data:
      return {Direction::data_gradient, call.x, call.y};
    case Op::conv_backward_weights:
      return {Direction::weight_gradient, call.x, call.y};
    case Op::conv_transpose_forward:
      return {Direction::data_gradient, call.y, call.x};
    case Op::conv_transpose_backward_data:
      return {Direction::forward, call.y, call.x};
    case Op::conv_transpose_backward_weights:
      return {Direction::weight_gradient, call.y, call.x};
    default:
      throw InternalError(str(name_of(call.op), " is not a convolution"));
  }
}

ConvShape shape_of(const ConvGeometry& geometry, const Plain& plain) {
  return plain.direction == Direction::data_gradient
             ? data_gradient_shape(geometry, plain.x, plain.y)
             : forward_shape(geometry, plain.x, plain.y);
}

Extent extent_of(ConvTile tile) {
  switch (tile) {
    case ConvTile::m128n128:
    case ConvTile::w128n128:
      return {128, 128};
    case ConvTile::m128n64:
    case ConvTile::w128n64:
    case ConvTile::w128n64deep:
      return {128, 64};
    case ConvTile::w256n128:
      return {256, 128};
    case ConvTile::m128n32:
      return {128, 32};
    case ConvTile::m64n32:
      return {64, 32};
    default:
      return {64, 64};
  }
}

bool on_warpgroups(ConvTile tile) {
  return tile >= ConvTile::w256n128;
}

ConvTile gemm_tile(ConvTile wanted, DType type, bool gather, const ConvShape& shape) {
  if (gather) return type == DType::bf16 ? ConvTile::m128n64 : ConvTile::m64n64;
  const bool warpgroups = has_warpgroups(type);
  if (wanted == ConvTile::automatic && warpgroups) wanted = warpgroup_tile(shape);
  if (on_warpgroups(wanted) && warpgroups)
    return wanted == ConvTile::w128n128 ? ConvTile::w128n64 : wanted;
  if (wanted == ConvTile::automatic || on_warpgroups(wanted)) {
    wanted = shape.out_c > 64   ? ConvTile::m128n128
             : shape.out_c > 32 ? ConvTile::m128n64
                                : ConvTile::m128n32;
    if (wanted != ConvTile::m128n32 && tiles_of(wanted, shape) < kFullDevice)
      wanted = ConvTile::m64n64;
  }
  if (wanted == ConvTile::m64n32) return ConvTile::m64n64;
  if (type == DType::bf16 || wanted == ConvTile::m128n128) return wanted;
  return ConvTile::m64n64;
}

// By itself, where tiles are few: enough for two blocks on every multiprocessor, none with less
// than six steps of 64 terms, because joining costs as much as four.
int64_t splits_of(ConvTile tile, const ConvShape& shape, int wanted) {
  constexpr int64_t kLeastTerms = 384;
  const int64_t tiles = tiles_of(tile, shape);
  if (places_of(tile, shape) > Scratch::kArrivals) return 1;
  if (wanted == 0 && 2 * tiles > kFullDevice) return 1;
  int64_t splits =
      wanted > 0 ? wanted : std::min(2 * kFullDevice / tiles, terms_of(shape, 0) / kLeastTerms);
  for (int g = 0; g < shape.groups; ++g)
    splits = std::min(splits, ceil_div(terms_of(shape, g), kStepTerms));
  return std::max<int64_t>(1, splits);
}

bool in_clusters(const ConvChoice& choice, int64_t splits, bool sums) {
  return choice.clusters && splits > 1 && splits <= gpu::kMostInCluster && !sums;
}

size_t sums_bytes(const ConvShape& shape) {
  constexpr int64_t kLowestTile = 64;
  int64_t tiles = 0;
  for (int g = 0; g < shape.groups; ++g)
    tiles = std::max(tiles, ceil_div(shape.group[g].pixels, kLowestTile));
  return aligned_size(static_cast<size_t>(2 * shape.groups * tiles * shape.out_c) * sizeof(float));
}

ConvTile wgrad_tile(ConvTile wanted, DType type, WgradLoad load, const ConvShape& shape) {
  if (load == WgradLoad::gather || load == WgradLoad::gather_source)
    return type == DType::bf16 ? ConvTile::m64n32 : ConvTile::m64n64;
  const bool warpgroups = has_warpgroups(type);
  if (on_warpgroups(wanted) && warpgroups)
    return wanted == ConvTile::w256n128 ? wanted : ConvTile::w128n128;
  if (wanted != ConvTile::automatic && !on_warpgroups(wanted))
    return wanted == ConvTile::m128n128 ? ConvTile::m128n128 : ConvTile::m64n64;
  const bool large = shape.out_c > 64 && wgrad_columns(shape) > 64;
  if (!large) return ConvTile::m64n64;
  if (!warpgroups) return ConvTile::m128n128;
  return shape.out_c > 128 ? ConvTile::w256n128 : ConvTile::w128n128;
}

// By itself: enough splits for two blocks on every multiprocessor, or one of those that fill it.
int64_t split_pixels(ConvTile tile, const ConvShape& shape, int wanted) {
  const int64_t steps = ceil_div(shape.group[0].pixels, kWgradStep);
  if (wanted > 0) return kWgradStep * ceil_div(steps, wanted);
  const int64_t blocks = tile == ConvTile::w256n128 ? kFullDevice : 2 * kFullDevice;
  const int64_t splits = std::max<int64_t>(1, blocks / wgrad_tiles(tile, shape));
  return kWgradStep * std::max(kMinStepsPerSplit, ceil_div(steps, splits));
}

bool mirrors(const ConvGeometry& geometry, int64_t x_channels, int64_t y_channels) {
  return geometry.stride == 1 && y_channels < 8 && x_channels > y_channels &&
         geometry.padding < geometry.kernel;
}

ConvGeometry mirrored(const ConvGeometry& geometry) {
  return {geometry.kernel, 1, geometry.kernel - 1 - geometry.padding, 0};
}

// ---- conv.h

std::string name_of(const ConvChoice& choice) {
  constexpr const char* kTiles[] = {"automatic", "m128n128", "m128n64",    "m128n32",
                                    "m64n64",    "m64n32",   "w256n128",   "w128n128",
                                    "w128n64",   "w64n64",   "w128n64deep"};
  std::string name = kTiles[static_cast<size_t>(choice.tile)];
  if (choice.splits > 1)
    name += str(", ", choice.splits, choice.clusters ? " in a cluster" : " splits");
  return name;
}

bool conv_supports(const Call& call) {
  const Plain plain = plain_of(call);
  const ConvGeometry& g = call.geometry;
  const auto exists = [](const Shape& s) {
    constexpr int64_t kLimit = std::numeric_limits<int>::max() / kMaxTaps;
    return s.n > 0 && s.h > 0 && s.w > 0 && s.c > 0 && s.c < kLimit && s.pixels() < kLimit;
  };
  return (call.dtype == DType::f32 || call.dtype == DType::bf16) && g.kernel >= 1 &&
         g.kernel * g.kernel <= kMaxTaps && (g.stride == 1 || g.stride == 2) && g.padding >= 0 &&
         exists(plain.x) && exists(plain.y) && conv_output(plain.x, plain.y.c, g) == plain.y;
}

std::vector<ConvChoice> conv_choices(const Call& call, Math math) {
  const Plain plain = plain_of(call);
  const auto packets = [&](const Shape& s) {
    return s.c * static_cast<int64_t>(size_of(call.dtype)) % 16 == 0;
  };
  if (plain.direction == Direction::weight_gradient) {
    const ConvShape shape = wgrad_shape(call.geometry, plain);
    const bool tiled = packets(plain.x) && packets(plain.y) && !few_supports(shape);
    return tiled ? wgrad_choices(call.dtype, math, shape) : std::vector<ConvChoice>{math};
  }
  const ConvShape shape = shape_of(call.geometry, plain);
  const bool tiled = packets(plain.direction == Direction::forward ? plain.x : plain.y) &&
                     !few_supports(shape) && !thin_supports(shape) && !thin_rows_supports(shape);
  return tiled ? gemm_choices(call.dtype, math, shape) : std::vector<ConvChoice>{math};
}

size_t conv_scratch_bytes(const Call& call, const ConvChoice& choice, bool sums) {
  const Plain plain = plain_of(call);
  if (plain.direction != Direction::weight_gradient) {
    const ConvShape shape = shape_of(call.geometry, plain);
    const ConvTile tile = gemm_tile(choice.tile, call.dtype, false, shape);
    return (sums ? sums_bytes(shape) : 0) + split_bytes(choice, tile, shape, sums);
  }
  const ConvShape shape = wgrad_shape(call.geometry, plain);
  // The tile depends on how the tensors lie, its splits only where they are not given.
  int64_t splits = few_supports(shape) ? few_wgrad_splits(shape) : 0;
  for (const ConvTile tile :
       {ConvTile::m128n128, ConvTile::m64n64, ConvTile::m64n32, ConvTile::w256n128})
    splits = std::max(splits, wgrad_splits(tile, shape, choice.splits));
  return parts_bytes(shape, splits);
}

}  // namespace gan::cuda
