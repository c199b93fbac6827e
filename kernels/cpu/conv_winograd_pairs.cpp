// Convolution forward and data gradient by minimal filtering with products of bfloat16 pairs.
//
// As conv_winograd.cpp, with transformed tiles and weights rounded to bfloat16, sums in float32. The
// multiplications take half of the time then, and what surrounds them counts twice: so a block's
// tiles are transformed once for all channels of a task, and all of the transformed block stays in
// the second-level cache while the results' channels pass by:
//
//   inputs -> B x B', rounded                          [p][q][tile][pair of channels]
//   for each tile of results' channels:
//     products[p, q] = tiles[p, q] * panel[weights of p, q]
//     A products A' -> results
//
// Rounding after the transforms errs about as much as rounding before a plain convolution: where a
// picture is smooth the differences in B x are small, and their errors with them.
#include <algorithm>

#include "engine/parallel.h"
#include "kernels/cpu/bf16.h"
#include "kernels/cpu/conv.h"
#include "kernels/cpu/conv_filter.h"
#include "kernels/cpu/conv_micro.h"
#include "kernels/cpu/conv_tiles.h"
#include "kernels/cpu/thread_scratch.h"

namespace gan::cpu {
namespace {

constexpr int64_t kBlockBytes = 256 * 1024;  // of a transformed block

using Job = FilterJob<Pair>;

// [weight row][weight column][tile of results' channels][pair of input channels][channel of tile]
void pack_panels(const Tiling& tiling, const Tensor& weights, bool out_first, Pair* panels) {
  const TileMicro& micro = tiling.micro();
  const Shape& s = weights.shape();
  const int64_t ins = out_first ? s.c : s.n, outs = out_first ? s.n : s.c;
  const int64_t steps = steps_for<Pair>(ins), all = int64_t{micro.weights} * micro.weights;
  for_each_panel_part(ins, outs, [&](int64_t first, int64_t width, int64_t begin, int64_t end) {
    constexpr int64_t kMost = int64_t{TileMicro::kMaxWeights} * TileMicro::kMaxWeights * kTile;
    float even[kMost], odd[kMost];
    Taps taps;
    read_taps(tiling, weights, out_first, begin, end - begin, first, width, taps);
    for (int64_t i = begin; i < end; i += 2) {
      transform_taps(tiling, taps[i - begin], width, even, kTile);
      transform_taps(tiling, taps[i - begin + 1], width, odd, kTile);
      for (int64_t weight = 0; weight < all; ++weight)
        round_to_pairs(even + weight * kTile, odd + weight * kTile, width,
                       panels + (weight * outs + first) * steps + i / 2 * width);
    }
  });
}

// The transformed tiles times their weights, result channels [first, first + width).
void multiply(const Job& job, const bf16* block, int64_t tiles, int64_t first, int64_t width,
              FetchAhead& ahead, float* products) {
  const TileMicro& m = job.micro;
  const int64_t steps = job.steps();
  const auto* in = reinterpret_cast<const Pair*>(block);
  MatrixProduct<Pair> product;
  product.rows = tiles;
  product.length = product.in_step = steps;
  product.out_step = product.width = width;
  product.ahead = &ahead;
  const int all = m.products * m.products;
  const auto panel_of = [&](int i) {
    const int64_t weight = m.weight_of[i / m.products] * m.weights + m.weight_of[i % m.products];
    return job.panels + (weight * job.outs() + first) * steps;
  };
  for (int i = 0; i < all; ++i, in += tiles * steps, products += product_step(tiles, width)) {
    product.panel = panel_of(i);
    product.next_panel = panel_of(std::min(i + 1, all - 1));
    product.in = in;
    product.out = products;
    conv_micro<Pair>()->multiply(product);
  }
}

// Tiles [begin, end), result channels [first, last). From `next` on are those that this thread is
// likely to take then.
void convolve_block(const Job& job, int64_t begin, int64_t end, int64_t first, int64_t last,
                    int64_t next) {
  static thread_local ThreadScratch block_scratch, product_scratch, outside_scratch;
  static thread_local FetchAhead ahead;
  static thread_local BlockPixels pixels;
  const TileMicro& m = job.micro;
  const int64_t ins = job.ins(), tiles = round_up(end - begin, kGatherPixels);
  float* outside = outside_scratch.numbers(ins + kTile);
  std::fill_n(outside, ins + kTile, 0.0f);
  pixels.list(job.tiling, job.from, job.to, begin, end, outside);

  const int64_t row = m.products * tiles * ins, all = int64_t{m.products} * m.products;
  bf16* block = block_scratch.numbers<bf16>(m.products * row);
  for (int p = 0; p < m.products; ++p)
    m.rounded[p]({pixels.inputs.data(), tiles, ins, block + p * row});
  ahead.restart(all * tiles / kGatherPixels * ((last - first + kTile - 1) / kTile) *
                ((job.steps() + kTurnSteps - 1) / kTurnSteps));
  pixels.list_next(job.tiling, job.from, next, end - begin, outside);
  pixels.fetch_inputs(job.tiling, ins, ~0u, ahead);

  float* products = product_scratch.numbers(all * product_step(tiles, kTile));
  for (int64_t k = first; k < last; k += kTile) {
    const int64_t width = std::min(kTile, last - k);
    multiply(job, block, tiles, k, width, ahead, products);
    job.finish(products, product_step(tiles, width), tiles, k, width, pixels, outside + ins);
  }
  if (job.streams()) end_streams();
}

}  // namespace

void conv_winograd_pairs(ConvDirection direction, const ConvShape& shape, TileSizes sizes,
                         const Tensor& from, const Weights& weights, WeightPacks& packs,
                         const Epilogue& epilogue, const Tensor& to, Write write) {
  const Tiling tiling(direction, shape, sizes);
  const TileMicro& m = tiling.micro();
  const int64_t ins = from.shape().c, outs = to.shape().c;
  const bool forward = direction == ConvDirection::forward;
  const uint64_t layout =
      1u << 17 | static_cast<uint64_t>(tiling.algorithm()) << 8 | (forward ? 0u : 1u);
  const int64_t lanes = int64_t{m.weights} * m.weights * steps_for<Pair>(ins) * outs;
  const auto* panels = static_cast<const Pair*>(
      packs.find(weights, layout, static_cast<size_t>(lanes) * sizeof(Pair), [&](void* memory) {
        pack_panels(tiling, weights.values, forward, static_cast<Pair*>(memory));
      }));
  const Job job = {tiling, m, from, to, panels, epilogue, write};

  // Blocks of about equal size; with few of them the results' channels are shared among tasks, too.
  const int64_t tile_bytes = m.products * m.products * ins * static_cast<int64_t>(sizeof(bf16));
  const int64_t most = std::clamp(kBlockBytes / tile_bytes / kGatherPixels * kGatherPixels,
                                  2 * kGatherPixels, kFilterTiles);
  const int64_t tiles = tiling.tiles(), least = (tiles + most - 1) / most;
  const int64_t block = round_up((tiles + least - 1) / least, kGatherPixels);
  const int64_t blocks = (tiles + block - 1) / block;
  const int64_t panels_count = (outs + kTile - 1) / kTile;
  const int64_t wanted = std::clamp<int64_t>((kFilterTasks + blocks - 1) / blocks, 1, panels_count);
  const int64_t part = (panels_count + wanted - 1) / wanted * kTile;
  const int64_t parts = (outs + part - 1) / part;
  parallel_for(blocks * parts, [&](int64_t task) {
    const int64_t begin = task / parts * block, first = task % parts * part;
    convolve_block(job, begin, std::min(tiles, begin + block), first, std::min(outs, first + part),
                   (task + threads()) / parts * block);
  });
}

}  // namespace gan::cpu
