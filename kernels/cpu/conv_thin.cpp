// Convolution forward (stride 1) and data gradient for results of a few channels, such as a photo.
//
// One product per input pixel gives what all taps make of it, kernel * kernel * channels numbers
// side by side (27 for a photo, instead of nine times 3 in vectors of 16). Each result pixel then
// collects its share from the pixels of its window:
//
//   taps[i, (r, t, o)] = sum over c of from[i, c] * w[.., r, t, ..]
//   to[y, x, o] = sum over (r, t) of taps[the pixel that tap (r, t) takes from, (r, t, o)]
//
// With pairs the input and the weights are rounded to bfloat16; taps and their sums stay float.
//
// A block of rows keeps as many rows of taps as a window is high. Where the taps come from neighbouring
// pixels, four numbers of a tap are added at a time, of which the last may be the next tap's and are
// dropped.
#include <algorithm>
#include <array>
#include <type_traits>
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

// Results of a block; the taps of the rows around it are made twice.
constexpr int64_t kBlockRows = 32;

template <class Lane>
struct Job {
  ConvDirection direction;
  const ConvShape& shape;
  const Windows& windows;
  const Tensor &from, &to;
  const Lane* panel;
  const Epilogue& epilogue;
  Write write;
  int64_t width;  // of a pixel's taps, rounded up to vectors
};

// What the sums of a result pixel begin with, channel by channel.
using Start = std::array<float, kTile>;

// [step of the input's channels][(r, t, o)]
template <class Lane>
void pack_panel(ConvDirection direction, const Tensor& weights, int64_t width, Lane* panel) {
  const Shape& s = weights.shape();
  const bool forward = direction == ConvDirection::forward;
  const int64_t ins = forward ? s.c : s.n, outs = forward ? s.n : s.c, taps = s.h * s.w;
  const int64_t row_pitch = taps * weights.pitch();
  const int64_t in_pitch = forward ? 1 : row_pitch, out_pitch = forward ? row_pitch : 1;
  const int64_t steps = steps_for<Lane>(ins), terms = std::is_same_v<Lane, Pair> ? 2 : 1;
  std::fill_n(panel, steps * width, Lane{});
  for (int64_t i = 0; i < ins; i += terms, panel += width)
    for (int64_t tap = 0; tap < taps; ++tap)
      pack_lanes(weights.as<float>() + tap * weights.pitch() + i * in_pitch, outs, out_pitch,
                 in_pitch, i + 1 < ins, panel + tap * outs);
}

// A row of input pixels: single numbers lie where they are, pairs are made of them.
template <class Lane>
struct InputRow {
  const Lane* first;
  int64_t step;  // from pixel to pixel
};
InputRow<float> input_row(const Job<float>& job, int64_t n, int64_t row) {
  const Shape& in = job.from.shape();
  return {job.from.as<float>() + (n * in.h + row) * in.w * job.from.pitch(), job.from.pitch()};
}
InputRow<Pair> input_row(const Job<Pair>& job, int64_t n, int64_t row) {
  static thread_local ThreadScratch scratch;
  const Shape& in = job.from.shape();
  const int64_t steps = steps_for<Pair>(in.c);
  auto* pairs = scratch.numbers<Pair>(in.w * steps);
  copy_window(job.from, n, {row, 1, 0, in.w}, 0, in.c, pairs);
  return {pairs, steps};
}

// The taps of input row `row` of picture n. Meanwhile the next row is fetched, where there `is_next`.
template <class Lane>
void make_taps(const Job<Lane>& job, int64_t n, int64_t row, bool is_next, FetchAhead& ahead,
               float* taps) {
  const Tensor& from = job.from;
  const Shape& in = from.shape();
  const InputRow<Lane> pixels = input_row(job, n, row);
  MatrixProduct<Lane> product;
  product.panel = product.next_panel = job.panel;
  product.in = pixels.first;
  product.out = taps;
  product.rows = in.w / kGatherPixels * kGatherPixels;
  product.length = steps_for<Lane>(in.c);
  product.in_step = pixels.step;
  product.out_step = product.width = job.width;
  product.ahead = &ahead;
  const int64_t turns =
      product.rows / kGatherPixels * ((product.length + kTurnSteps - 1) / kTurnSteps);
  ahead.restart(std::max<int64_t>(1, turns));
  if (is_next && from.dense()) {
    const int64_t numbers = in.w * in.c;
    ahead.add(from.as<float>() + (n * in.h + row + 1) * numbers, numbers);
  }
  conv_micro<Lane>()->multiply(product);
  if (product.rows == in.w) return;

  // Fewer pixels than a product takes at once.
  std::array<float, kTile> spare;
  Gather<Lane> rest;
  rest.segments = 1;
  rest.segment[0] = {0, product.length};
  rest.panel = job.panel;
  rest.width = job.width;
  for (int64_t i = 0; i < kGatherPixels; ++i) {
    const int64_t x = product.rows + i;
    rest.in[i] = product.in + std::min(x, in.w - 1) * product.in_step;
    rest.out[i] = x < in.w ? taps + x * job.width : spare.data();
  }
  conv_micro<Lane>()->gather(rest);
}

// Adds tap (r, t) of an input row to a result row. Pixel x takes from input pixel (x + shift)/step
// where that is whole.
template <class Lane>
void collect(const Job<Lane>& job, const float* taps, int64_t tap, int64_t shift, int64_t step,
             float* to) {
  const int64_t outs = job.to.shape().c, in_w = job.from.shape().w;
  int64_t x = (step - shift % step) % step;  // shift may be negative: then this is at most 2*step
  while (x + shift < 0) x += step;
  const float* source = taps + (x + shift) / step * job.width + tap * outs;
  float* out = to + x * job.to.pitch();
  const int64_t last = std::min(job.to.shape().w, in_w * step - shift);
  for (; x < last; x += step, source += job.width, out += step * job.to.pitch())
    for (int64_t o = 0; o < outs; ++o) out[o] += source[o];
}

// A result row where taps come from neighbouring pixels and a pixel's results fit `kLanes`: all of a
// pixel's taps at once. `taps` are the rows that the window's rows see, null beyond the edges; sums
// begin with `start`; `seen` is working memory.
constexpr int64_t kLanes = 4;
using Lanes = std::array<float, kLanes>;
struct Tap {
  const float* numbers;  // of a row's first pixel
  int64_t shift;         // result pixel x takes the numbers of pixel x + shift
};
template <class Lane>
void collect_row(const Job<Lane>& job, const std::vector<const float*>& taps, const Start& start,
                 std::vector<Tap>& seen, float* to) {
  const int64_t kernel = job.shape.geometry.kernel, padding = job.shape.geometry.padding;
  const int64_t outs = job.to.shape().c, in_w = job.from.shape().w, out_w = job.to.shape().w;
  const int64_t width = job.width, pitch = job.to.pitch();
  const bool forward = job.direction == ConvDirection::forward;
  seen.clear();
  for (int64_t r = 0; r < kernel; ++r) {
    for (int64_t t = 0; taps[r] && t < kernel; ++t)
      seen.push_back({taps[r] + (r * kernel + t) * outs, forward ? t - padding : padding - t});
  }
  Lanes first;
  std::copy_n(start.data(), kLanes, first.data());
  // The last lanes may be the next tap's.
  const auto add = [&](const float* tap, Lanes& sum) {
    for (int64_t o = 0; o < kLanes; ++o) sum[o] += tap[o];
  };
  const auto pixel = [&](int64_t x, auto&& add_all) {
    float* out = to + x * pitch;
    Lanes sum = first;
    if (job.write == Write::accumulate) std::copy_n(out, outs, sum.data());
    add_all(sum);
    for (int64_t o = 0; o < outs; ++o) out[o] = sum[o];
  };
  const auto at_edge = [&](int64_t x) {
    pixel(x, [&](Lanes& sum) {
      for (const Tap& tap : seen) {
        const int64_t source = x + tap.shift;
        if (source >= 0 && source < in_w) add(tap.numbers + source * width, sum);
      }
    });
  };
  const int64_t before = std::max(padding, kernel - 1 - padding);  // no shift is larger
  const int64_t begin = std::min(before, out_w);
  const int64_t end = std::max(begin, std::min(out_w, in_w - before));
  for (int64_t x = 0; x < begin; ++x) at_edge(x);
  for (int64_t x = begin; x < end; ++x) {
    pixel(x, [&](Lanes& sum) {
      for (const Tap& tap : seen) add(tap.numbers + (x + tap.shift) * width, sum);
    });
  }
  for (int64_t x = end; x < out_w; ++x) at_edge(x);
}

// Rows [begin, end) of result n.
template <class Lane>
void thin_block(const Job<Lane>& job, int64_t n, int64_t begin, int64_t end) {
  static thread_local ThreadScratch scratch;
  static thread_local FetchAhead ahead;
  const ConvGeometry& g = job.shape.geometry;
  const Tensor& results = job.to;
  const Shape &in = job.from.shape(), &out = results.shape();
  const bool forward = job.direction == ConvDirection::forward;
  const int64_t high = job.windows.input_end(begin + 1) - job.windows.input_begin(begin);
  const int64_t row_numbers = in.w * job.width;
  float* ring = scratch.numbers(high * row_numbers + kLanes);  // collect_row reads beyond the last
  std::fill_n(ring + high * row_numbers, kLanes, 0.0f);
  const int64_t step = forward ? 1 : g.stride;
  // The taps that row r of result y's window sees: forward those of input row y + r - padding,
  // backward of the row whose stride-fold is y + padding - r.
  const auto taps_of = [&](int64_t y, int64_t r) -> const float* {
    const int64_t place = forward ? y + r - g.padding : y + g.padding - r;
    if (place < 0 || place % step != 0 || place / step >= in.h) return nullptr;
    return ring + place / step % high * row_numbers;
  };
  std::vector<const float*> taps(g.kernel);
  std::vector<Tap> seen;
  const int64_t pitch = results.pitch();
  Start start = {};
  Epilogue activation;
  activation.act = job.epilogue.act;
  const Tensor& bias = job.epilogue.bias;
  if (bias) std::copy_n(bias.as<float>(), out.c, start.data());

  int64_t made = std::max<int64_t>(0, job.windows.input_begin(begin));  // rows before are made
  const int64_t last = std::min(in.h, job.windows.input_end(end)) - 1;
  for (int64_t y = begin; y < end; ++y) {
    for (; made < std::min(in.h, job.windows.input_end(y + 1)); ++made)
      make_taps(job, n, made, made < last, ahead, ring + made % high * row_numbers);
    float* to = results.as<float>() + (n * out.h + y) * out.w * pitch;
    for (int64_t r = 0; r < g.kernel; ++r) taps[r] = taps_of(y, r);
    if (step == 1 && out.c <= kLanes) {
      collect_row(job, taps, start, seen, to);
    } else {
      if (job.write == Write::overwrite) {
        for (int64_t x = 0; x < out.w; ++x) std::copy_n(start.data(), out.c, to + x * pitch);
      }
      for (int64_t r = 0; r < g.kernel; ++r) {
        for (int64_t t = 0; taps[r] && t < g.kernel; ++t)
          collect(job, taps[r], r * g.kernel + t, forward ? t - g.padding : g.padding - t, step,
                  to);
      }
    }
    const bool dense = pitch == out.c;
    for (int64_t x = 0; x < (dense ? 1 : out.w); ++x)
      apply_epilogue(activation, 0, dense ? out.w * out.c : out.c, to + x * pitch);
  }
}

}  // namespace

bool conv_is_thin(ConvDirection direction, const ConvShape& shape) {
  const bool forward = direction == ConvDirection::forward;
  const ConvGeometry& g = shape.geometry;
  const int64_t outs = forward ? shape.maps.c : shape.picture.c;
  const int64_t taps = int64_t{g.kernel} * g.kernel, width = round_up(taps * outs, kVector);
  return (!forward || g.stride == 1) && width <= kTile && width < taps * round_up(outs, kVector);
}

template <class Lane>
void conv_thin(ConvDirection direction, const ConvShape& shape, const Tensor& from,
               const Weights& weights, WeightPacks& packs, const Epilogue& epilogue,
               const Tensor& to, Write write) {
  require(write == Write::overwrite || !epilogue, "an epilogue of results that are added");
  const Windows windows(direction, shape);
  const int64_t taps = int64_t{shape.geometry.kernel} * shape.geometry.kernel;
  const int64_t width = round_up(taps * to.shape().c, kVector);
  const uint64_t layout =
      (direction == ConvDirection::forward ? 2u : 3u) | (std::is_same_v<Lane, Pair> ? 4u : 0u);
  const auto bytes = static_cast<size_t>(steps_for<Lane>(from.shape().c) * width) * sizeof(Lane);
  const auto* panel =
      static_cast<const Lane*>(packs.find(weights, layout, bytes, [&](void* memory) {
        pack_panel(direction, weights.values, width, static_cast<Lane*>(memory));
      }));
  const Job<Lane> job = {direction, shape, windows, from, to, panel, epilogue, write, width};
  const int64_t height = to.shape().h, blocks = (height + kBlockRows - 1) / kBlockRows;
  parallel_for(to.shape().n * blocks, [&](int64_t i) {
    const int64_t begin = i % blocks * kBlockRows;
    thin_block(job, i / blocks, begin, std::min(height, begin + kBlockRows));
  });
}

template void conv_thin<float>(ConvDirection, const ConvShape&, const Tensor&, const Weights&,
                               WeightPacks&, const Epilogue&, const Tensor&, Write);
template void conv_thin<Pair>(ConvDirection, const ConvShape&, const Tensor&, const Weights&,
                              WeightPacks&, const Epilogue&, const Tensor&, Write);

}  // namespace gan::cpu
