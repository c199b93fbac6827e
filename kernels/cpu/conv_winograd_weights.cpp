// The weights' gradient by minimal filtering (bilinear.h explains it):
//
//   sums[q][k, c] = sum over tiles, and over products p that take weight q, of
//                   (A' dy A)[p][tile, k] * (B x B')[p][tile, c]
//   dw = G' sums G
//
// A sum of outer products, one per tile and product. As in conv_weights.cpp the result is cut into
// tasks, of 256 k x 128 c, and where that gives too few the tiles into parts, whose dw are added in
// order; the cuts depend on the shapes only. A task transforms a row of a few tiles at a time, both
// of the picture and of the maps, and multiplies it while it lies in the cache. Every task makes its
// own transforms, which costs more than fetching a large task's sums again for each block of tiles.
// Its sums, megabytes, end as dw, a quarter of that, before the thread takes its next task.
#include <algorithm>
#include <vector>

#include "engine/parallel.h"
#include "kernels/cpu/conv.h"
#include "kernels/cpu/conv_filter.h"
#include "kernels/cpu/simd.h"
#include "kernels/cpu/thread_scratch.h"

namespace gan::cpu {
namespace {

constexpr int64_t kBlockTiles = 64;  // whose pictures' row, 16 KB of a product, fits the L1 cache
constexpr int64_t kMapsGroup = 256;  // maps' channels of a task
constexpr int64_t kPictureGroup = 128;  // the picture's
// From so many pixels on tiles may be of any size: rounding errors of the sum grow with its length
// anyway, and hide theirs.
constexpr int64_t kManyPixels = 4096;
// Enough for any usual number of threads; more would mean more parts to add. A part is worth its sums'
// transform from so many blocks on.
constexpr int64_t kEnoughTasks = 16;
constexpr int64_t kFewestBlocks = 2;
// Between what is written side by side and would be a power of two apart: such addresses share a few
// places of the cache.
constexpr int64_t kGap = kVector;

struct Cut {
  explicit Cut(const ConvShape& s)
      : shape(s),
        tiling(ConvDirection::weights, s,
               s.maps.pixels() < kManyPixels ? TileSizes::exact : TileSizes::all),
        micro(tiling.micro()),
        picture_groups((s.picture.c + kPictureGroup - 1) / kPictureGroup),
        maps_groups((s.maps.c + kMapsGroup - 1) / kMapsGroup),
        channels(round_up(std::min(kPictureGroup, s.picture.c), kTile)),
        ks(std::min(kMapsGroup, s.maps.c)),
        blocks((tiling.tiles() + kBlockTiles - 1) / kBlockTiles),
        parts(std::clamp<int64_t>(kEnoughTasks / (picture_groups * maps_groups), 1,
                                  std::max<int64_t>(1, blocks / kFewestBlocks))) {}

  // Sums of a task: [weight row][weight column][tile of picture channels][k of the group][kTile].
  int64_t matrix() const { return channels * ks + kGap; }
  int64_t sums() const { return micro.weights * micro.weights * matrix(); }
  int64_t gradient() const { return shape.maps.c * 9 * shape.picture.c; }

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

// Where a transformed row of a block's tiles lies:
// [product][group of channels][tile][channel of the group].
struct TransformedRow {
  TransformedRow(float* memory, int64_t group_width, int64_t channels, int64_t tiles)
      : numbers(memory),
        width(group_width),
        group_step(tiles * width + kGap),
        product_step((channels + width - 1) / width * group_step) {}
  static int64_t size(int64_t width, int64_t channels, int products) {
    return products * TransformedRow(nullptr, width, channels, kBlockTiles).product_step;
  }
  const float* at(int product, int64_t channel) const {
    return numbers + product * product_step + channel / width * group_step + channel % width;
  }

  float* numbers;
  int64_t width, group_step, product_step;
};

// Row p of both transforms, multiplied into the sums, or the first such product before them all.
// Groups of both are as wide as an outer product wants them: few kilobytes that follow one another.
void multiply_row(const Cut& cut, int p, const TransformedRow& picture, const TransformedRow& maps,
                  int64_t tiles, int64_t channels, int64_t ks, bool first, FetchAhead& ahead,
                  float* sums) {
  const TileMicro& m = cut.micro;
  // Products that share a weight follow one another.
  const auto begins = [&](int i) { return i == 0 || m.weight_of[i] != m.weight_of[i - 1]; };
  Outer<float> outer;
  outer.rows = 1;
  outer.cols = tiles;
  outer.left_step = maps.width;
  outer.right_step = picture.width;
  for (int q = 0; q < m.products; ++q) {
    float* matrix = sums + (m.weight_of[p] * m.weights + m.weight_of[q]) * cut.matrix();
    outer.accumulate = !(first && begins(p) && begins(q));
    for (int64_t c = 0; c < channels; c += kTile) {
      outer.right = picture.at(q, c);
      outer.width = std::min(kTile, channels - c);
      for (int64_t k = 0; k < ks; k += kOuterRows) {
        outer.left = maps.at(q, k);
        outer.sums = matrix + c * cut.ks + k * kTile;
        conv_micro<float>()->outer(outer);
        ahead.turn();
      }
    }
  }
}

// Adds the task's share to dw, or puts it there.
void run_task(const Cut& cut, const Tensor& all_picture, const Tensor& all_maps, const Task& task,
              bool add, float* dw) {
  static thread_local ThreadScratch picture_scratch, maps_scratch, sums_scratch;
  static thread_local FetchAhead ahead;
  static thread_local BlockPixels pixels;
  const TileMicro& m = cut.micro;
  const int64_t first_c = task.picture_group * kPictureGroup,
                first_k = task.maps_group * kMapsGroup;
  const int64_t channels = std::min(kPictureGroup, cut.shape.picture.c - first_c);
  const int64_t ks = std::min(kMapsGroup, cut.shape.maps.c - first_k);
  const Tensor picture = all_picture.channels(first_c, channels);
  const Tensor maps = all_maps.channels(first_k, ks);
  float* picture_memory =
      picture_scratch.numbers(TransformedRow::size(kTile, channels, m.products));
  float* maps_memory = maps_scratch.numbers(TransformedRow::size(kVector, ks, m.products));
  float* sums = sums_scratch.numbers(cut.sums());
  const int64_t outer_products =
      m.products * ((channels + kTile - 1) / kTile) * ((ks + kOuterRows - 1) / kOuterRows);

  const int64_t first_block = cut.blocks * task.part / cut.parts;
  const int64_t last_block = cut.blocks * (task.part + 1) / cut.parts;
  float outside[std::max(kPictureGroup, kMapsGroup)] = {};  // what tiles see beyond the edges
  const auto tiles_of = [&](int64_t block) {
    return std::min(kBlockTiles, cut.tiling.tiles() - block * kBlockTiles);
  };
  const auto list = [&](int64_t block) {
    const int64_t begin = block * kBlockTiles;
    pixels.list(cut.tiling, picture, maps, begin, begin + tiles_of(block), outside, outside);
  };
  const auto fetch_new = [&](int p) {
    pixels.fetch_inputs(cut.tiling, channels, m.new_inputs[p], ahead);
    pixels.fetch_outputs(cut.tiling, ks, m.new_outputs[p], ahead);
  };
  list(first_block);
  for (int64_t block = first_block; block < last_block; ++block) {
    const int64_t tiles = tiles_of(block);
    const TransformedRow from(picture_memory, kTile, channels, tiles),
        to(maps_memory, kVector, ks, tiles);
    for (int p = 0; p < m.products; ++p) {
      m.input[p]({pixels.inputs.data(), tiles, channels, from.numbers, from.product_step,
                  from.width, from.group_step});
      m.gradient[p](
          {pixels.outputs.data(), tiles, ks, to.numbers, to.product_step, to.width, to.group_step});
      // Meanwhile what the next row reads comes nearer.
      ahead.restart(outer_products);
      if (p + 1 < m.products) {
        fetch_new(p + 1);
      } else if (block + 1 < last_block) {
        list(block + 1);
        fetch_new(0);
      }
      multiply_row(cut, p, from, to, tiles, channels, ks, block == first_block, ahead, sums);
    }
  }

  const int64_t row = cut.shape.picture.c;
  for (int64_t k = 0; k < ks; ++k) {
    for (int64_t c = 0; c < channels; c += kTile) {
      m.weights_gradient({sums + c * cut.ks + k * kTile, cut.matrix(),
                          std::min(kTile, channels - c), dw + (first_k + k) * 9 * row + first_c + c,
                          row, add});
    }
  }
}

// to (+)= all parts, in their order.
GAN_SIMD void add_parts(const float* parts, int64_t count, int64_t pitch, int64_t begin,
                        int64_t end, bool add, float* to) {
  constexpr int64_t kPiece = 1024;
  float sums[kPiece];
  for (; begin < end; begin += kPiece) {
    const int64_t size = std::min(kPiece, end - begin);
    if (add) {
      std::copy_n(to + begin, size, sums);
    } else {
      std::fill_n(sums, size, 0.0f);
    }
    for (int64_t part = 0; part < count; ++part) {
      const float* from = parts + part * pitch + begin;
      for (int64_t i = 0; i < size; ++i) sums[i] += from[i];
    }
    std::copy_n(sums, size, to + begin);
  }
}

}  // namespace

void conv_winograd_weights(const ConvShape& shape, const Tensor& picture, const Tensor& maps,
                           const Tensor& dw, Write write) {
  require(dw.dense(), "a weights gradient must be dense");
  static thread_local ThreadScratch scratch;
  const Cut cut(shape);
  const bool add = write == Write::accumulate;
  float* parts = cut.parts == 1 ? dw.as<float>() : scratch.numbers(cut.gradient() * cut.parts);
  parallel_for(cut.picture_groups * cut.maps_groups * cut.parts, [&](int64_t i) {
    const int64_t group = i / cut.parts, part = i % cut.parts;
    run_task(cut, picture, maps, {group % cut.picture_groups, group / cut.picture_groups, part},
             add && cut.parts == 1, parts + part * cut.gradient());
  });
  if (cut.parts == 1) return;
  parallel_ranges(cut.gradient(), 4096, [&](int64_t begin, int64_t end) {
    add_parts(parts, cut.parts, cut.gradient(), begin, end, add, dw.as<float>());
  });
}

}  // namespace gan::cpu
