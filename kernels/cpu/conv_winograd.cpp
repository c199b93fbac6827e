// Convolution forward and data gradient by minimal filtering (bilinear.h explains it): for channels
// enough, 3x3 weights and strides 1 and 2.
//
// The tiles of the whole batch stand in one line, which is cut into blocks, whose transformed inputs
// and products stay in the second-level cache. Where results have fewer channels than inputs, one row
// of the transformed tiles at a time is made and multiplied:
//
//   for each row p:   inputs   -> row p of B x B'                    [q][tile][channel]
//                     products[p, q] = row[q] * panel[weights of p, q]   (a Gather of one segment)
//   A products A' -> results
//
// and where they have more, all rows are made first, and a tile of results' channels at a time is
// brought to its end: the same loops with the outermost two exchanged.
//
// Transformed weights lie in panels [weight row][weight column][tile of results' channels][input
// channel][channel of tile]; up and down have 9 (or 16) weights of 25 (or 49) products, as the
// products that no sum goes into share theirs.
#include <algorithm>
#include <array>
#include <vector>

#include "engine/parallel.h"
#include "kernels/cpu/conv.h"
#include "kernels/cpu/conv_filter.h"
#include "kernels/cpu/conv_micro.h"
#include "kernels/cpu/conv_tiles.h"
#include "kernels/cpu/simd.h"
#include "kernels/cpu/stream.h"
#include "kernels/cpu/thread_scratch.h"

namespace gan::cpu {
namespace {

// Of a block. Weights come in time from further away, even for six tiles.
constexpr int64_t kBlockBytes = 640 * 1024;

struct Job : FilterJob<float> {
  bool all_rows;  // of a block's transformed tiles are made before any is multiplied
  bool streams;   // results pass the cache
};

// Numbers from one product of a block's tiles to the next. An odd number of cache lines: even ones
// meet in a few places of the cache.
int64_t product_step(int64_t tiles, int64_t channels) {
  return tiles * channels + (tiles * channels / kVector % 2 == 0 ? kVector : 0);
}

// The transformed weights of one input channel and `width` result channels: from nine rows [r, t]
// to rows `pitch` apart.
GAN_SIMD void transform_weights(const TileMicro& micro, const float* nine, int64_t width, float* to,
                                int64_t pitch) {
  float half[TileMicro::kMaxWeights][3][kTile];
  for (int q = 0; q < micro.weights; ++q) {
    const auto& g = micro.g[q];
    for (int t = 0; t < 3; ++t) {
      for (int64_t k = 0; k < width; ++k) {
        half[q][t][k] = g[0] * nine[t * kTile + k] + g[1] * nine[(3 + t) * kTile + k] +
                        g[2] * nine[(6 + t) * kTile + k];
      }
    }
  }
  for (int q = 0; q < micro.weights; ++q) {
    for (int p = 0; p < micro.weights; ++p, to += pitch) {
      const auto& g = micro.g[p];
      for (int64_t k = 0; k < width; ++k)
        to[k] = g[0] * half[q][0][k] + g[1] * half[q][1][k] + g[2] * half[q][2][k];
    }
  }
}

void pack_panels(const Tiling& tiling, const Tensor& weights, bool out_first, float* panels) {
  const Shape& s = weights.shape();
  const int64_t ins = out_first ? s.c : s.n, outs = out_first ? s.n : s.c;
  for_each_panel_part(ins, outs, [&](int64_t first, int64_t width, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      transformed_weights(tiling, weights, out_first, i, first, width,
                          panels + first * ins + i * width, ins * outs);
  });
}

// One transformed row times its weights, result channels [first, first + width).
void multiply_row(const Job& job, int p, const float* row, int64_t tiles, int64_t first,
                  int64_t width, float* products, int64_t channels) {
  const int64_t ins = job.ins(), outs = job.outs();
  Gather<float> g;
  g.segments = 1;
  g.segment[0] = {0, ins};
  g.width = width;
  const auto panel_of = [&](int q) {
    const int weight = job.micro.weight_of[p] * job.micro.weights + job.micro.weight_of[q];
    return job.panels + weight * ins * outs + first * ins;
  };
  for (int q = 0; q < job.micro.products; ++q) {
    g.panel = panel_of(q);
    g.next_panel = q + 1 < job.micro.products ? panel_of(q + 1) : nullptr;
    for (int64_t tile = 0; tile < tiles; tile += kGatherPixels) {
      for (int64_t i = 0; i < kGatherPixels; ++i) {
        g.in[i] = row + q * product_step(tiles, ins) + (tile + i) * ins;
        g.out[i] = products + q * product_step(tiles, channels) + (tile + i) * channels;
      }
      conv_micro<float>()->gather(g);
    }
  }
}

// Tiles [begin, end), result channels [first, last).
void convolve_block(const Job& job, int64_t begin, int64_t end, int64_t first, int64_t last) {
  static thread_local ThreadScratch row_scratch, product_scratch, outside_scratch;
  static thread_local std::vector<const float*> inputs;
  static thread_local std::vector<float*> outputs, results;
  const TileMicro& m = job.micro;
  const int64_t ins = job.ins(), tiles = round_up(end - begin, kGatherPixels);
  const int64_t in_side = int64_t{m.inputs} * m.inputs, out_side = int64_t{m.outputs} * m.outputs;
  float* outside = outside_scratch.numbers(ins + job.outs());
  std::fill_n(outside, ins + job.outs(), 0.0f);
  // Tiles that fill the last six are zeros, and go nowhere.
  inputs.assign(tiles * in_side, outside);
  outputs.assign(tiles * out_side, nullptr);
  for (int64_t tile = begin; tile < end; ++tile) {
    job.tiling.inputs(job.from, tile, outside, &inputs[(tile - begin) * in_side]);
    job.tiling.outputs(job.to, tile, nullptr, &outputs[(tile - begin) * out_side]);
  }
  results.resize(outputs.size());

  const int64_t row_step = m.products * product_step(tiles, ins),
                step = job.all_rows ? kTile : last - first;
  float* rows = row_scratch.numbers(job.all_rows ? m.products * row_step : row_step);
  float* products = product_scratch.numbers(m.products * m.products * product_step(tiles, step));
  const auto make_row = [&](int p, float* row) {
    m.input[p]({inputs.data(), tiles, ins, row, product_step(tiles, ins), ins, 0});
    return row;
  };
  if (job.all_rows) {
    for (int p = 0; p < m.products; ++p) make_row(p, rows + p * row_step);
  }
  for (int64_t begin_k = first; begin_k < last; begin_k += step) {
    const int64_t end_k = std::min(last, begin_k + step), channels = end_k - begin_k;
    const int64_t next = product_step(tiles, channels);
    for (int p = 0; p < m.products; ++p) {
      const float* row = job.all_rows ? rows + p * row_step : make_row(p, rows);
      float* to = products + p * m.products * next;
      for (int64_t k = begin_k; k < end_k; k += kTile)
        multiply_row(job, p, row, tiles, k, std::min(kTile, end_k - k), to + k - begin_k, channels);
    }
    std::transform(outputs.begin(), outputs.end(), results.begin(), [&](float* pixel) {
      return pixel != nullptr ? pixel + begin_k : outside + ins;
    });
    m.result({products, next, tiles, channels, results.data(), job.write == Write::accumulate,
              job.streams});
    for (float* pixel : outputs) {
      if (pixel != nullptr) apply_epilogue(job.epilogue, begin_k, channels, pixel + begin_k);
    }
  }
  if (job.streams) end_streams();
}

}  // namespace

void transformed_weights(const Tiling& tiling, const Tensor& weights, bool out_first, int64_t in,
                         int64_t first, int64_t width, float* to, int64_t pitch) {
  const int64_t row_pitch = 9 * weights.pitch();
  const int64_t in_pitch = out_first ? 1 : row_pitch, out_pitch = out_first ? row_pitch : 1;
  float nine[9 * kTile];
  for (int64_t tap = 0; tap < 9; ++tap) {
    const float* source = weights.as<float>() + in * in_pitch + first * out_pitch +
                          (tiling.backwards() ? 8 - tap : tap) * weights.pitch();
    for (int64_t k = 0; k < width; ++k) nine[tap * kTile + k] = source[k * out_pitch];
  }
  transform_weights(tiling.micro(), nine, width, to, pitch);
}

// Measured with AVX-512 at the networks' shapes: below these channel counts the transforms cost what
// the multiplications save. They save 1.44 to 2.25 with small tiles, 1.78 and 4 with large ones; what
// is left of that is 1.8 to 2.1 and 1.2 to 1.4 (strides 1 and 2), with large ones 2.4 to 3.3 and 1.4 to
// 1.6.
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
         Tiling(direction, shape, TileSizes::exact).multiplications() * 5 <
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
  const Job job = {{tiling, m, from, to, panels, epilogue, write},
                   by_channels < by_rows,
                   !epilogue && write == Write::overwrite && passes_cache(to)};

  const int64_t fitting =
      kBlockBytes / static_cast<int64_t>(sizeof(float)) / std::min(by_rows, by_channels);
  const int64_t block =
      std::clamp(fitting / kGatherPixels * kGatherPixels, kGatherPixels, kFilterTiles);
  const int64_t blocks = (tiling.tiles() + block - 1) / block;
  const int64_t tiles = (outs + kTile - 1) / kTile;
  const int64_t parts = blocks < kFilterTasks ? tiles : 1;
  parallel_for(blocks * parts, [&](int64_t task) {
    const int64_t begin = task / parts * block, part = task % parts;
    convolve_block(job, begin, std::min(tiling.tiles(), begin + block),
                   parts == 1 ? 0 : part * kTile,
                   parts == 1 ? outs : std::min(outs, (part + 1) * kTile));
  });
}

}  // namespace gan::cpu
