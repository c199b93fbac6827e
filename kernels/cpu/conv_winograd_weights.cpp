// The weights' gradient by minimal filtering (bilinear.h explains it):
//
//   sums[q][k, c] = sum over tiles, and over products p that take weight q, of
//                   (A' dy A)[p][tile, k] * (B x B')[p][tile, c]
//   dw = G' sums G
//
// A sum of outer products, one per tile and product. As in conv_weights.cpp the result is cut into
// tasks, of 256 k x 128 c, and where that gives too few the tiles into parts, whose sums are added in
// order; the cuts depend on the shapes only. A task transforms a row of a few tiles at a time, both
// of the picture and of the maps, and multiplies it while it lies in the cache. Every task makes its
// own transforms, which costs more than fetching a large task's sums again for each block of tiles.
#include <algorithm>
#include <vector>

#include "engine/parallel.h"
#include "kernels/cpu/conv.h"
#include "kernels/cpu/conv_input.h"
#include "kernels/cpu/conv_micro.h"
#include "kernels/cpu/conv_tiles.h"
#include "kernels/cpu/simd.h"

namespace gan::cpu {
namespace {

constexpr int64_t kBlockTiles = 64;  // whose pictures' row, 16 KB of a product, fits the L1 cache
constexpr int64_t kMapsGroup = 256;  // maps' channels of a task
constexpr int64_t kPictureGroup = 128;  // the picture's
// Enough for any usual number of threads; more would mean more sums of parts to add, megabytes each.
constexpr int64_t kEnoughTasks = 16;

struct Cut {
  explicit Cut(const ConvShape& s)
      : shape(s),
        tiling(ConvDirection::weights, s),
        micro(tiling.micro()),
        picture_groups((s.picture.c + kPictureGroup - 1) / kPictureGroup),
        maps_groups((s.maps.c + kMapsGroup - 1) / kMapsGroup),
        channels(round_up(std::min(kPictureGroup, s.picture.c), kTile)),
        ks(std::min(kMapsGroup, s.maps.c)),
        blocks((tiling.tiles() + kBlockTiles - 1) / kBlockTiles),
        parts(std::clamp<int64_t>(kEnoughTasks / (picture_groups * maps_groups), 1, blocks)) {}

  // Sums of a task: [weight row][weight column][tile of picture channels][k of the group][kTile].
  int64_t matrix() const { return channels * ks; }
  int64_t sums() const { return micro.weights * micro.weights * matrix(); }

  const ConvShape& shape;
  Tiling tiling;
  const TileMicro& micro;
  int64_t picture_groups, maps_groups;
  int64_t channels, ks;   // of a task: the picture's, in whole tiles, and the maps'
  int64_t blocks, parts;  // of the convolution's tiles
};

struct Task {
  int64_t picture_group, maps_group, part;
};

// Row p of both transforms, multiplied into the sums. The picture's lies as
// [product][tile of channels][tile][channel], the maps' as [product][k / kVector][tile][k % kVector]:
// what is multiplied together is a few kilobytes that follow one another.
void multiply_row(const Cut& cut, int p, const float* picture, const float* maps, int64_t tiles,
                  int64_t channels, int64_t ks, float* sums) {
  const TileMicro& m = cut.micro;
  Outer<float> outer;
  outer.rows = 1;
  outer.cols = tiles;
  outer.left_step = kVector;
  outer.right_step = kTile;
  for (int q = 0; q < m.products; ++q, maps += tiles * ks) {
    float* matrix = sums + (m.weight_of[p] * m.weights + m.weight_of[q]) * cut.matrix();
    for (int64_t c = 0; c < channels; c += kTile, picture += tiles * kTile) {
      outer.right = picture;
      outer.width = std::min(kTile, channels - c);
      for (int64_t k = 0; k < ks; k += kOuterRows) {
        outer.left = maps + k / kVector * tiles * kVector + k % kVector;
        outer.sums = matrix + c * cut.ks + k * kTile;
        conv_micro<float>()->outer(outer);
      }
    }
  }
}

void sum_task(const Cut& cut, const Tensor& all_picture, const Tensor& all_maps, const Task& task,
              float* sums) {
  static thread_local ThreadScratch picture_scratch, maps_scratch;
  static thread_local std::vector<const float*> inputs;
  static thread_local std::vector<float*> outputs;
  const TileMicro& m = cut.micro;
  const int64_t first_c = task.picture_group * kPictureGroup,
                first_k = task.maps_group * kMapsGroup;
  const int64_t channels = std::min(kPictureGroup, cut.shape.picture.c - first_c);
  const int64_t ks = std::min(kMapsGroup, cut.shape.maps.c - first_k);
  const Tensor picture = all_picture.channels(first_c, channels);
  const Tensor maps = all_maps.channels(first_k, ks);
  const int64_t picture_step = kBlockTiles * cut.channels, maps_step = kBlockTiles * ks;
  float* picture_row = picture_scratch.numbers(m.products * picture_step);
  float* maps_row = maps_scratch.numbers(m.products * maps_step);
  float outside[std::max(kPictureGroup, kMapsGroup)] = {};  // what tiles see beyond the edges
  std::fill_n(sums, cut.sums(), 0.0f);

  const int64_t last_block = cut.blocks * (task.part + 1) / cut.parts;
  for (int64_t block = cut.blocks * task.part / cut.parts; block < last_block; ++block) {
    const int64_t begin = block * kBlockTiles;
    const int64_t tiles = std::min(kBlockTiles, cut.tiling.tiles() - begin);
    inputs.resize(tiles * m.inputs * m.inputs);
    outputs.resize(tiles * m.outputs * m.outputs);
    for (int64_t i = 0; i < tiles; ++i) {
      cut.tiling.inputs(picture, begin + i, outside, &inputs[i * m.inputs * m.inputs]);
      cut.tiling.outputs(maps, begin + i, outside, &outputs[i * m.outputs * m.outputs]);
    }
    const int64_t wide = round_up(channels, kTile);
    for (int p = 0; p < m.products; ++p) {
      m.input[p]({inputs.data(), tiles, channels, picture_row, tiles * wide, kTile, tiles * kTile});
      m.gradient[p]({outputs.data(), tiles, ks, maps_row, tiles * ks, kVector, tiles * kVector});
      multiply_row(cut, p, picture_row, maps_row, tiles, channels, ks, sums);
    }
  }
}

// dw[r, t][0..width) (+)= G' sums G, the sums' matrices `pitch` apart, those of dw `channels`.
GAN_SIMD void transform_sums(const TileMicro& m, const float* sums, int64_t pitch, int64_t width,
                             bool add, float* dw, int64_t channels) {
  float half[3][TileMicro::kMaxWeights][kTile] = {};
  for (int q = 0; q < m.weights; ++q) {
    for (int p = 0; p < m.weights; ++p, sums += pitch)
      for (int r = 0; r < 3; ++r)
        for (int64_t c = 0; c < width; ++c) half[r][p][c] += m.g[q][r] * sums[c];
  }
  for (int r = 0; r < 3; ++r) {
    for (int t = 0; t < 3; ++t, dw += channels) {
      float row[kTile] = {};
      for (int p = 0; p < m.weights; ++p)
        for (int64_t c = 0; c < width; ++c) row[c] += m.g[p][t] * half[r][p][c];
      for (int64_t c = 0; c < width; ++c) dw[c] = (add ? dw[c] : 0.0f) + row[c];
    }
  }
}

}  // namespace

void conv_winograd_weights(const ConvShape& shape, const Tensor& picture, const Tensor& maps,
                           const Tensor& dw, Write write) {
  require(dw.dense(), "a weights gradient must be dense");
  static thread_local ThreadScratch scratch;
  const Cut cut(shape);
  const int64_t numbers = cut.sums(), groups = cut.picture_groups * cut.maps_groups;
  float* sums = scratch.numbers(numbers * groups * cut.parts);
  parallel_for(groups * cut.parts, [&](int64_t i) {
    const int64_t group = i / cut.parts;
    sum_task(cut, picture, maps,
             {group % cut.picture_groups, group / cut.picture_groups, i % cut.parts},
             sums + i * numbers);
  });

  const int64_t channels = shape.picture.c, tiles = (channels + kTile - 1) / kTile;
  parallel_for(shape.maps.c * tiles, [&](int64_t i) {
    const int64_t k = i / tiles, first_c = i % tiles * kTile;
    const int64_t width = std::min(kTile, channels - first_c);
    const int64_t group = k / kMapsGroup * cut.picture_groups + first_c / kPictureGroup;
    float* first = sums + group * cut.parts * numbers + first_c % kPictureGroup * cut.ks +
                   k % kMapsGroup * kTile;
    for (int64_t part = 1; part < cut.parts; ++part) {
      for (int64_t q = 0; q < cut.micro.weights * cut.micro.weights; ++q) {
        float* sum = first + q * cut.matrix();
        for (int64_t c = 0; c < width; ++c) sum[c] += sum[part * numbers + c];
      }
    }
    transform_sums(cut.micro, first, cut.matrix(), width, write == Write::accumulate,
                   dw.as<float>() + k * 9 * channels + first_c, channels);
  });
}

}  // namespace gan::cpu
