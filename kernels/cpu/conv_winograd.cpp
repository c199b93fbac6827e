// Convolution forward and data gradient by minimal filtering (bilinear.h explains it): for channels
// enough, 3x3 weights and strides 1 and 2.
//
// The tiles of the whole batch stand in one line, which is cut into blocks, whose transformed inputs
// and products stay in the second-level cache. Where results have fewer channels than inputs, one row
// of the transformed tiles at a time is made and multiplied:
//
//   for each row p:   inputs   -> row p of B x B'                    [q][tile][channel]
//                     products[p, q] = row[q] * panel[weights of p, q]   (a MatrixProduct)
//   A products A' -> results
//
// and where they have more, all rows are made first, and a tile of results' channels at a time is
// brought to its end: the same loops with the outermost two exchanged.
//
// Transformed weights lie in panels [weight row][weight column][tile of results' channels][input
// channel][channel of tile]; up and down have 16, 25 or 36 weights of 25, 49 or 81 products, as the
// products that no sum goes into share theirs. Pixels that are transformed next are fetched while those
// before them are multiplied.
#include <algorithm>

#include "engine/parallel.h"
#include "kernels/cpu/conv.h"
#include "kernels/cpu/conv_filter.h"
#include "kernels/cpu/conv_micro.h"
#include "kernels/cpu/conv_tiles.h"
#include "kernels/cpu/thread_scratch.h"

namespace gan::cpu {
namespace {

// Of a block, or two times six tiles: for six alone weights would be read twice as often.
constexpr int64_t kBlockBytes = 640 * 1024;

struct Job : FilterJob<float> {
  bool all_rows;  // of a block's transformed tiles are made before any is multiplied
};

void pack_panels(const Tiling& tiling, const Tensor& weights, bool out_first, float* panels) {
  const Shape& s = weights.shape();
  const int64_t ins = out_first ? s.c : s.n, outs = out_first ? s.n : s.c;
  for_each_panel_part(ins, outs, [&](int64_t first, int64_t width, int64_t begin, int64_t end) {
    Taps taps;
    read_taps(tiling, weights, out_first, begin, end - begin, first, width, taps);
    for (int64_t i = begin; i < end; ++i)
      transform_taps(tiling, taps[i - begin], width, panels + first * ins + i * width, ins * outs);
  });
}

// One transformed row times its weights, result channels [first, first + width).
void multiply_row(const Job& job, int p, const float* row, int64_t tiles, int64_t first,
                  int64_t width, FetchAhead& ahead, float* products, int64_t channels) {
  const int64_t ins = job.ins(), outs = job.outs();
  MatrixProduct<float> product;
  product.rows = tiles;
  product.length = product.in_step = ins;
  product.out_step = channels;
  product.width = width;
  product.ahead = &ahead;
  const auto panel_of = [&](int q) {
    const int weight = job.micro.weight_of[p] * job.micro.weights + job.micro.weight_of[q];
    return job.panels + weight * ins * outs + first * ins;
  };
  for (int q = 0; q < job.micro.products; ++q) {
    product.panel = panel_of(q);
    product.next_panel = panel_of(std::min(q + 1, job.micro.products - 1));
    product.in = row + q * product_step(tiles, ins);
    product.out = products + q * product_step(tiles, channels);
    conv_micro<float>()->multiply(product);
  }
}

// Tiles [begin, end), result channels [first, last). From `next` on are those that this thread is
// likely to take then.
void convolve_block(const Job& job, int64_t begin, int64_t end, int64_t first, int64_t last,
                    int64_t next) {
  static thread_local ThreadScratch row_scratch, product_scratch, outside_scratch;
  static thread_local FetchAhead ahead;
  static thread_local BlockPixels pixels;
  const TileMicro& m = job.micro;
  const int64_t ins = job.ins(), tiles = round_up(end - begin, kGatherPixels);
  float* outside = outside_scratch.numbers(ins + job.outs());
  std::fill_n(outside, ins + job.outs(), 0.0f);
  pixels.list(job.tiling, job.from, job.to, begin, end, outside);

  const int64_t row_step = m.products * product_step(tiles, ins),
                step = job.all_rows ? kTile : last - first;
  float* rows = row_scratch.numbers(job.all_rows ? m.products * row_step : row_step);
  float* products = product_scratch.numbers(m.products * m.products * product_step(tiles, step));
  const auto make_row = [&](int p, float* row) {
    m.input[p]({pixels.inputs.data(), tiles, ins, row, product_step(tiles, ins), ins, 0});
    return row;
  };
  if (job.all_rows) {
    for (int p = 0; p < m.products; ++p) make_row(p, rows + p * row_step);
  }
  const auto fetch_next = [&](uint32_t chosen) {
    pixels.list_next(job.tiling, job.from, next, end - begin, outside);
    pixels.fetch_inputs(job.tiling, ins, chosen, ahead);
  };
  const int64_t turns = m.products * tiles / kGatherPixels * ((last - first + kTile - 1) / kTile) *
                        ((ins + kTurnSteps - 1) / kTurnSteps);
  if (job.all_rows) {
    ahead.restart(m.products * turns);
    fetch_next(~0u);
  }
  for (int64_t begin_k = first; begin_k < last; begin_k += step) {
    const int64_t end_k = std::min(last, begin_k + step), channels = end_k - begin_k;
    const int64_t pitch = product_step(tiles, channels);
    for (int p = 0; p < m.products; ++p) {
      const float* row = job.all_rows ? rows + p * row_step : make_row(p, rows);
      float* to = products + p * m.products * pitch;
      if (!job.all_rows) {
        ahead.restart(turns);
        if (p + 1 < m.products) {
          pixels.fetch_inputs(job.tiling, ins, m.new_inputs[p + 1], ahead);
        } else {
          fetch_next(m.new_inputs[0]);
        }
      }
      for (int64_t k = begin_k; k < end_k; k += kTile)
        multiply_row(job, p, row, tiles, k, std::min(kTile, end_k - k), ahead, to + k - begin_k,
                     channels);
    }
    job.finish(products, pitch, tiles, begin_k, channels, pixels, outside + ins);
  }
  if (job.streams()) end_streams();
}

}  // namespace

// Measured with AVX-512 at the networks' shapes: below these channel counts the transforms cost what
// the multiplications save. Above them convolutions run at 0.8 to 0.9 of the peak, by the multiplications
// that they take.
bool conv_winograd_pays(ConvDirection direction, const ConvShape& shape) {
  const ConvGeometry& g = shape.geometry;
  if (g.kernel != 3 || g.padding != 1 || g.stride > 2 || shape.picture.c % kVector != 0 ||
      shape.maps.c % kVector != 0 || !tile_micro({})) {
    return false;
  }
  const bool one = g.stride == 1;
  const int64_t fewest = direction == ConvDirection::forward ? 16
                         : direction == ConvDirection::data  ? (one ? 16 : 32)
                                                             : (one ? 32 : 64);
  // Pictures of a few pixels are mostly edge; then tiles save little.
  return std::min(shape.picture.c, shape.maps.c) >= fewest &&
         Tiling(direction, shape, TileSizes::plain).multiplications() * 5 <
             shape.maps.pixels() * 9 * 4;
}

void conv_winograd(ConvDirection direction, const ConvShape& shape, TileSizes sizes,
                   const Tensor& from, const Weights& weights, WeightPacks& packs,
                   const Epilogue& epilogue, const Tensor& to, Write write) {
  const Tiling tiling(direction, shape, sizes);
  const TileMicro& m = tiling.micro();
  const int64_t ins = from.shape().c, outs = to.shape().c;
  const bool forward = direction == ConvDirection::forward;
  const uint64_t layout =
      1u << 16 | static_cast<uint64_t>(tiling.algorithm()) << 8 | (forward ? 0u : 1u);
  const auto bytes = static_cast<size_t>(m.weights * m.weights * ins * outs) * sizeof(float);
  const auto* panels =
      static_cast<const float*>(packs.find(weights, layout, bytes, [&](void* memory) {
        pack_panels(tiling, weights.values, forward, static_cast<float*>(memory));
      }));
  // Numbers that a tile has in the cache at a time, in either order.
  const int64_t by_rows = m.products * (ins + m.products * outs);
  const int64_t by_channels = m.products * m.products * (ins + kTile);
  const Job job = {{tiling, m, from, to, panels, epilogue, write}, by_channels < by_rows};

  const int64_t fitting =
      kBlockBytes / static_cast<int64_t>(sizeof(float)) / std::min(by_rows, by_channels);
  const int64_t block =
      std::clamp(fitting / kGatherPixels * kGatherPixels, 2 * kGatherPixels, kFilterTiles);
  const int64_t blocks = (tiling.tiles() + block - 1) / block;
  const int64_t tiles = (outs + kTile - 1) / kTile;
  const int64_t parts = blocks < kFilterTasks ? tiles : 1;
  parallel_for(blocks * parts, [&](int64_t task) {
    const int64_t begin = task / parts * block, part = task % parts;
    convolve_block(
        job, begin, std::min(tiling.tiles(), begin + block), parts == 1 ? 0 : part * kTile,
        parts == 1 ? outs : std::min(outs, (part + 1) * kTile), (task + threads()) / parts * block);
  });
}

}  // namespace gan::cpu
