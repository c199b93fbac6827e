// Convolution forward, and its data gradient, which is the transposed convolution.
//
// Both give each result pixel a sum over a small window of the input times weights. Forward, the
// window of pixel (y, x) starts at (y*stride - padding, x*stride - padding) and all pixels use the
// same weights. Backward, a pixel sees every stride-th weight only: those that hit it. So pixels fall
// into stride x stride classes, by (y + padding) % stride and (x + padding) % stride, and each class
// is an ordinary convolution with its own part of the weights and windows at (y + padding)/stride.
//
// A row of a window is a run of neighbouring numbers, so a window is a few segments (Gather). The
// input rows of a block of results are first copied with their padding; weights are packed into
// panels [class][tile of results' channels][window row][window column][input channel][channel of
// tile], in pieces that stay in the second-level cache while all pixels of the block pass by.
// Multiply-adds: the convolution's own, except that channels are rounded up to vectors. With pairs,
// input and weights are rounded to bfloat16 while they are copied; sums and results stay float32.
#include <algorithm>
#include <vector>

#include "engine/parallel.h"
#include "kernels/cpu/conv.h"
#include "kernels/cpu/conv_input.h"
#include "kernels/cpu/conv_micro.h"
#include "kernels/cpu/conv_windows.h"
#include "kernels/cpu/epilogue.h"
#include "kernels/cpu/thread_scratch.h"

namespace gan::cpu {
namespace {

constexpr int64_t kBlockPixels = 128;        // results of one class and block
constexpr int64_t kPanelBytes = 320 * 1024;  // of weights at a time
constexpr int64_t kEnoughTasks = 64;         // more than any sensible number of threads

// Everything that a block of results needs.
template <class Lane>
struct Job {
  const Windows& windows;
  const Tensor &from, &to;
  const Lane* panels;
  const Epilogue& epilogue;
  Write write;
  int64_t in_channels, out_channels, padded_channels;

  int64_t in_steps() const { return steps_for<Lane>(in_channels); }
};

// The weights in panels. `out_first`: results' channels are the weights' rows (forward).
template <class Lane>
void pack_panels(const Windows& windows, const Tensor& weights, bool out_first, Lane* panels) {
  const Shape& s = weights.shape();
  const int64_t ins = out_first ? s.c : s.n, outs = out_first ? s.n : s.c;
  const int64_t padded = round_up(outs, kVector);
  const int64_t tiles = (padded + kTile - 1) / kTile;
  const int64_t tap_pitch = weights.pitch(), row_pitch = s.h * s.w * tap_pitch;
  const int64_t in_pitch = out_first ? 1 : row_pitch, out_pitch = out_first ? row_pitch : 1;
  const int64_t steps = steps_for<Lane>(ins), terms = steps == ins ? 1 : 2;
  for (const PixelClass& c : windows.classes()) {
    const int64_t taps = c.rows * c.cols;
    parallel_for(tiles * taps, [&](int64_t task) {
      const int64_t first = task / taps * kTile, tap = task % taps;
      const int64_t width = std::min(kTile, padded - first), used = std::min(width, outs - first);
      const int64_t r = windows.tap(tap / c.cols, c.y, c.rows);
      const int64_t t = windows.tap(tap % c.cols, c.x, c.cols);
      const float* source = weights.as<float>() + (r * s.w + t) * tap_pitch + first * out_pitch;
      Lane* panel = panels + (c.taps_before * padded + taps * first + tap * width) * steps;
      for (int64_t i = 0; i < ins; i += terms, source += terms * in_pitch, panel += width) {
        pack_lanes(source, used, out_pitch, in_pitch, i + 1 < ins, panel);
        std::fill(panel + used, panel + width, Lane{});
      }
    });
  }
}

// A result pixel: where its window lies in the copied input, and where it goes.
template <class Lane>
struct Pixel {
  const Lane* in;
  float* out;
};

// All pixels of a block, one class, result channels [first, first + kTile).
template <class Lane>
void gather_tile(const Job<Lane>& job, const PixelClass& c, const std::vector<Pixel<Lane>>& pixels,
                 int64_t input_row, int64_t first) {
  const int64_t taps = c.rows * c.cols;
  const int64_t width = std::min(kTile, job.padded_channels - first);
  const int64_t used = std::min(width, job.out_channels - first);
  alignas(64) float spare[kGatherPixels * kTile] = {};

  Gather<Lane> g;
  g.accumulate = job.write == Write::accumulate;
  g.width = width;
  g.panel = job.panels + (c.taps_before * job.padded_channels + taps * first) * job.in_steps();
  const int64_t run = c.cols * job.in_steps();
  const int64_t runs_at_once = std::clamp<int64_t>(
      kPanelBytes / std::max<int64_t>(1, run * width * static_cast<int64_t>(sizeof(Lane))), 1,
      Gather<Lane>::kMaxSegments);
  int64_t row = 0;
  do {
    g.segments = static_cast<int>(std::min(runs_at_once, c.rows - row));
    for (int i = 0; i < g.segments; ++i) g.segment[i] = {(row + i) * input_row, run};
    row += g.segments;
    for (size_t p = 0; p < pixels.size(); p += kGatherPixels) {
      const size_t count = std::min<size_t>(kGatherPixels, pixels.size() - p);
      for (size_t i = 0; i < kGatherPixels; ++i) {
        const Pixel<Lane>& pixel = pixels[p + std::min(i, count - 1)];
        g.in[i] = pixel.in;
        const bool direct = i < count && used == width;
        g.out[i] = direct ? pixel.out + first : spare + i * kTile;
        if (!direct && g.accumulate) std::copy_n(pixel.out + first, used, g.out[i]);
      }
      conv_micro<Lane>()->gather(g);
      for (size_t i = 0; i < count; ++i) {
        float* out = pixels[p + i].out + first;
        if (used != width) std::copy_n(g.out[i], used, out);
        if (row >= c.rows) apply_epilogue(job.epilogue, first, used, out);
      }
    }
    g.panel += g.segments * run * width;
    g.accumulate = true;
  } while (row < c.rows);
}

// Rows [begin, end) of result n, channel tiles [first, last).
template <class Lane>
void gather_block(const Job<Lane>& job, int64_t n, int64_t begin, int64_t end, int64_t first_tile,
                  int64_t last_tile) {
  static thread_local ThreadScratch scratch;
  static thread_local std::vector<Pixel<Lane>> pixels;
  const Windows& w = job.windows;
  const Tensor& results = job.to;
  const Shape& out = results.shape();
  const int64_t row = w.input_begin(begin), col = w.input_begin(0);
  const Window window = {row, w.input_end(end) - row, col, w.input_end(out.w) - col};
  const int64_t steps = job.in_steps();
  Lane* input = scratch.numbers<Lane>(window.pixels() * steps);
  copy_window(job.from, n, window, 0, job.in_channels, input);

  for (const PixelClass& c : w.classes()) {
    pixels.clear();
    for (int64_t y = w.first(begin, c.y); y < end; y += w.step()) {
      const Lane* in = input + (w.start(y, c.rows) - row) * window.cols * steps;
      float* to = results.as<float>() + (n * out.h + y) * out.w * results.pitch();
      for (int64_t x = w.first(0, c.x); x < out.w; x += w.step())
        pixels.push_back({in + (w.start(x, c.cols) - col) * steps, to + x * results.pitch()});
    }
    for (int64_t tile = first_tile; tile < last_tile; ++tile)
      gather_tile(job, c, pixels, window.cols * steps, tile * kTile);
  }
}

}  // namespace

template <class Lane>
void conv_gather(ConvDirection direction, const ConvShape& shape, const Tensor& from,
                 const Weights& weights, WeightPacks& packs, const Epilogue& epilogue,
                 const Tensor& to, Write write) {
  if (conv_is_thin(direction, shape)) {
    return conv_thin<Lane>(direction, shape, from, weights, packs, epilogue, to, write);
  }
  const Windows windows(direction, shape);
  const bool forward = direction == ConvDirection::forward;
  const ConvGeometry& g = shape.geometry;
  const int64_t ins = from.shape().c, outs = to.shape().c, padded = round_up(outs, kVector);
  // What the panels depend on besides the weights.
  const uint64_t layout = static_cast<uint64_t>(g.stride) << 8 | (forward ? 0u : 1u) |
                          (std::is_same_v<Lane, Pair> ? 4u : 0u);
  const int64_t lanes = int64_t{g.kernel} * g.kernel * steps_for<Lane>(ins) * padded;
  const auto* panels = static_cast<const Lane*>(
      packs.find(weights, layout, static_cast<size_t>(lanes) * sizeof(Lane), [&](void* memory) {
        pack_panels(windows, weights.values, forward, static_cast<Lane*>(memory));
      }));

  const Job<Lane> job = {windows, from, to, panels, epilogue, write, ins, outs, padded};
  const int64_t step = windows.step(), height = to.shape().h;
  const int64_t rows =
      step * std::max<int64_t>(1, kBlockPixels / std::max<int64_t>(1, to.shape().w / step));
  const int64_t blocks = (height + rows - 1) / rows;
  const int64_t tiles = (padded + kTile - 1) / kTile;
  const bool split = to.shape().n * blocks < kEnoughTasks;
  const int64_t parts = split ? tiles : 1;
  parallel_for(to.shape().n * blocks * parts, [&](int64_t task) {
    const int64_t part = task % parts, block = task / parts % blocks, n = task / parts / blocks;
    gather_block(job, n, block * rows, std::min(height, (block + 1) * rows), split ? part : 0,
                 split ? part + 1 : tiles);
  });
}

template void conv_gather<float>(ConvDirection, const ConvShape&, const Tensor&, const Weights&,
                                 WeightPacks&, const Epilogue&, const Tensor&, Write);
template void conv_gather<Pair>(ConvDirection, const ConvShape&, const Tensor&, const Weights&,
                                WeightPacks&, const Epilogue&, const Tensor&, Write);

}  // namespace gan::cpu
