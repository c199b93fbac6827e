// The weights' gradient by minimal filtering (bilinear.h explains it):
//
//   sums[q][k, c] = sum over tiles, and over products p that take weight q, of
//                   (A' dy A)[p][tile, k] * (B x B')[p][tile, c]
//   dw = G' sums G
//
// A sum of outer products, one per tile and product. As in conv_weights.cpp the result is cut into
// tasks of 128 k x 64 c, and where that gives too few the tiles into parts, whose sums are added in
// order; the cuts depend on the shapes only. A task transforms a row of a few tiles at a time, both
// of the picture and of the maps, and multiplies it while it lies in the second-level cache.
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

constexpr int64_t kBlockTiles = 48;
constexpr int64_t kGroup = 128;       // maps' channels of a task
constexpr int64_t kEnoughTasks = 32;  // for any usual number of threads

struct Cut {
  explicit Cut(const ConvShape& s)
      : shape(s),
        tiling(ConvDirection::forward, s),
        micro(tiling.micro()),
        tiles((s.picture.c + kTile - 1) / kTile),
        groups((s.maps.c + kGroup - 1) / kGroup),
        group(std::min(kGroup, s.maps.c)),
        blocks((tiling.tiles() + kBlockTiles - 1) / kBlockTiles),
        parts(std::clamp<int64_t>(kEnoughTasks / (tiles * groups), 1, blocks)) {}

  // Sums of a task: [weight row][weight column][k of the group][kTile].
  int64_t sums() const { return micro.weights * micro.weights * group * kTile; }

  const ConvShape& shape;
  Tiling tiling;
  const TileMicro& micro;
  int64_t tiles, groups;  // of picture channels, of maps' channels
  int64_t group;          // maps' channels of a task
  int64_t blocks, parts;  // of the convolution's tiles
};

struct Task {
  int64_t tile, group, part;
};

// Row p of both transforms, [product][tile][channel], multiplied into the sums.
void multiply_row(const Cut& cut, int p, const float* picture, const float* maps, int64_t tiles,
                  int64_t channels, int64_t ks, float* sums) {
  const TileMicro& m = cut.micro;
  Outer<float> outer;
  outer.cols = tiles;
  outer.left_step = ks;
  outer.right_step = outer.width = channels;
  outer.right_row = tiles * channels;
  for (int q = 0; q < m.products; q += static_cast<int>(outer.rows)) {
    // Products that take the same weight follow one another: more of the same sum.
    outer.rows = 1;
    while (q + outer.rows < m.products && m.weight_of[q + outer.rows] == m.weight_of[q])
      ++outer.rows;
    outer.right = picture + q * tiles * channels;
    const int weight = m.weight_of[p] * m.weights + m.weight_of[q];
    for (int64_t k = 0; k < ks; k += kOuterRows) {
      outer.left = maps + q * tiles * ks + k;
      outer.sums = sums + (weight * cut.group + k) * kTile;
      conv_micro<float>()->outer(outer);
    }
  }
}

void sum_task(const Cut& cut, const Tensor& all_picture, const Tensor& all_maps, const Task& task,
              float* sums) {
  static thread_local ThreadScratch picture_scratch, maps_scratch;
  static thread_local std::vector<const float*> inputs;
  static thread_local std::vector<float*> outputs;
  const TileMicro& m = cut.micro;
  const int64_t first_c = task.tile * kTile, first_k = task.group * kGroup;
  const int64_t channels = std::min(kTile, cut.shape.picture.c - first_c);
  const int64_t ks = std::min(kGroup, cut.shape.maps.c - first_k);
  const Tensor picture = all_picture.channels(first_c, channels);
  const Tensor maps = all_maps.channels(first_k, ks);
  float* picture_row = picture_scratch.numbers(m.products * kBlockTiles * channels);
  float* maps_row = maps_scratch.numbers(m.products * kBlockTiles * ks);
  float outside[kGroup] = {};  // what tiles see beyond the edges
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
    for (int p = 0; p < m.products; ++p) {
      m.input[p]({inputs.data(), tiles, channels, picture_row});
      m.gradient[p]({outputs.data(), tiles, ks, maps_row});
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
  const int64_t numbers = cut.sums(), pairs = cut.tiles * cut.groups;
  float* sums = scratch.numbers(numbers * pairs * cut.parts);
  parallel_for(pairs * cut.parts, [&](int64_t i) {
    const Task task = {i / cut.parts % cut.tiles, i / cut.parts / cut.tiles, i % cut.parts};
    sum_task(cut, picture, maps, task, sums + i * numbers);
  });

  const int64_t channels = shape.picture.c;
  parallel_for(shape.maps.c * cut.tiles, [&](int64_t i) {
    const int64_t k = i / cut.tiles, tile = i % cut.tiles, first_c = tile * kTile;
    const int64_t width = std::min(kTile, channels - first_c);
    float* first = sums + (k / kGroup * cut.tiles + tile) * cut.parts * numbers;
    for (int64_t part = 1; part < cut.parts; ++part) {
      for (int64_t q = 0; q < cut.micro.weights * cut.micro.weights; ++q) {
        const int64_t row = (q * cut.group + k % kGroup) * kTile;
        for (int64_t c = 0; c < width; ++c) first[row + c] += first[part * numbers + row + c];
      }
    }
    transform_sums(cut.micro, first + k % kGroup * kTile, cut.group * kTile, width,
                   write == Write::accumulate, dw.as<float>() + k * 9 * channels + first_c,
                   channels);
  });
}

}  // namespace gan::cpu
