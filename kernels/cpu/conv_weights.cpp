// The weights' gradient of a convolution:
//
//   dw[k, r, t, c] = sum over n, y, x of maps[n, y, x, k] * picture[n, y*stride + r - padding,
//                                                                  x*stride + t - padding, c]
//
// A sum of outer products, one per pixel. The result is cut into tasks of 256 k x 64 c, and where
// that gives too few tasks the pictures into parts, whose results are added in order; the cuts
// depend on the shapes only. A task copies what it needs of a block of pixels out of both tensors,
// the picture with its padding, and then makes all taps' sums over that block, which by then lies in
// the second-level cache. With few picture channels, a row of a window (t and c together) counts as
// one run.
//
// A sum runs over pixels, so a pair holds two neighbouring ones. Which of the picture's pixels are
// neighbours depends on the tap, so there the copy holds each pair once for every t.
#include <algorithm>
#include <vector>

#include "engine/parallel.h"
#include "kernels/cpu/conv.h"
#include "kernels/cpu/conv_input.h"
#include "kernels/cpu/conv_micro.h"
#include "kernels/cpu/thread_scratch.h"

namespace gan::cpu {
namespace {

constexpr int64_t kBlockBytes = 256 * 1024;  // copied at a time
constexpr int64_t kGroup = 256;              // maps' channels of a task
constexpr int64_t kEnoughTasks = 32;         // for any usual number of threads

// Lanes of the copied picture that meet a pixel's maps: `width` of them from `offset` on, counted
// from the pixel's window. They make up dw[k][to, to + used).
struct Run {
  int64_t offset, used, width, to;
};

// How the work is cut up, and how a tile's copy of the picture lies in memory:
//   float  [row][column][channel]
//   Pair   [row][step][t][channel], a step being two pixels of the maps
template <class Lane>
struct Cut {
  static constexpr bool kPairs = std::is_same_v<Lane, Pair>;

  explicit Cut(const ConvShape& s)
      : shape(s),
        tiles((s.picture.c + kTile - 1) / kTile),
        groups((s.maps.c + kGroup - 1) / kGroup),
        parts(std::clamp<int64_t>(kEnoughTasks / (tiles * groups), 1, s.maps.n)),
        group(round_up(std::min(kGroup, s.maps.c), kOuterRows)),
        steps(steps_for<Lane>(s.maps.w)),
        cols((s.maps.w - 1) * s.geometry.stride + s.geometry.kernel),
        maps_pitch(round_up(group, 2 * kVector) + kVector) {
    const int64_t lanes = s.geometry.stride * copied_row(0) + steps * maps_pitch;
    rows =
        std::clamp<int64_t>(kBlockBytes / static_cast<int64_t>(sizeof(Lane)) / lanes, 1, s.maps.h);
  }

  // The channels of a picture tile; so far apart are the taps of its copy.
  int64_t channels(int64_t tile) const { return std::min(kTile, shape.picture.c - tile * kTile); }
  // Lanes from one step of the maps to the next, and from one row of the copy to the next.
  int64_t right_step(int64_t tile) const {
    return channels(tile) * (kPairs ? shape.geometry.kernel : shape.geometry.stride);
  }
  int64_t copied_row(int64_t tile) const {
    return kPairs ? steps * right_step(tile) : cols * channels(tile);
  }

  // What a picture tile is multiplied as.
  std::vector<Run> runs(int64_t tile) const {
    const int64_t kernel = shape.geometry.kernel, c = shape.picture.c;
    std::vector<Run> all;
    const auto add = [&](int64_t offset, int64_t used, int64_t to) {
      all.push_back({offset, used, round_up(used, kVector), to});
    };
    for (int64_t r = 0; r < kernel; ++r) {
      if (tiles == 1) {
        for (int64_t done = 0; done < kernel * c; done += kTile)
          add(r * copied_row(tile) + done, std::min(kTile, kernel * c - done),
              r * kernel * c + done);
      } else {
        for (int64_t t = 0; t < kernel; ++t)
          add(r * copied_row(tile) + t * channels(tile), channels(tile),
              (r * kernel + t) * c + tile * kTile);
      }
    }
    return all;
  }

  ConvShape shape;
  int64_t tiles, groups;  // of picture channels, of maps' channels
  int64_t parts;          // of the pictures
  int64_t group;          // sums' rows of a task
  int64_t steps;          // of a row of maps
  int64_t cols;           // of the picture that a row of maps looks at
  // Lanes from step to step of the copied maps. An odd number of cache lines: a power of two would have
  // all pixels compete for the same few places in the cache.
  int64_t maps_pitch;
  int64_t rows;  // of maps in a block
};

// Sums of a task: [run][k of the group][kTile].
template <class Lane>
int64_t sums_per_task(const Cut<Lane>& cut) {
  return static_cast<int64_t>(cut.runs(0).size()) * cut.group * kTile;
}

// Copies a row of maps from pixel `pixel` on, `channels` of each; steps are `pitch` lanes apart, and
// their channels rounded up with zeros.
void copy_maps(const Tensor& maps, int64_t pixel, int64_t channel, int64_t channels, int64_t pitch,
               float* to) {
  const float* from = maps.as<float>() + pixel * maps.pitch() + channel;
  const int64_t rounded = round_up(channels, kOuterRows);
  for (int64_t x = 0; x < maps.shape().w; ++x, from += maps.pitch(), to += pitch) {
    std::memcpy(to, from, static_cast<size_t>(channels) * sizeof(float));
    for (int64_t k = channels; k < rounded; ++k) to[k] = 0;
  }
}
void copy_maps(const Tensor& maps, int64_t pixel, int64_t channel, int64_t channels, int64_t pitch,
               Pair* to) {
  const float* from = maps.as<float>() + pixel * maps.pitch() + channel;
  const int64_t rounded = round_up(channels, kOuterRows), width = maps.shape().w;
  for (int64_t x = 0; x < width; x += 2, from += 2 * maps.pitch(), to += pitch) {
    round_to_pairs(from, x + 1 < width ? from + maps.pitch() : nullptr, channels, to);
    std::fill(to + channels, to + rounded, Pair{});
  }
}

// Copies what a block of maps' rows looks at of channels [channel, channel + channels).
template <class Lane>
void copy_picture(const Cut<Lane>& cut, const Tensor& picture, int64_t n, const Window& window,
                  int64_t tile, ThreadScratch& scratch, Lane* to) {
  const int64_t channels = cut.channels(tile);
  if constexpr (!Cut<Lane>::kPairs) {
    copy_window(picture, n, window, tile * kTile, channels, to);
  } else {
    float* plain = scratch.numbers(window.pixels() * channels);
    copy_window(picture, n, window, tile * kTile, channels, plain);
    const ConvGeometry& g = cut.shape.geometry;
    const int64_t width = cut.shape.maps.w, row_numbers = g.kernel * channels;
    for (int64_t row = 0; row < window.rows; ++row, plain += window.cols * channels) {
      for (int64_t x = 0; x < width; x += 2, to += row_numbers) {
        // The taps of a pixel lie side by side, those of the next one `stride` further.
        const float* first = plain + x * g.stride * channels;
        round_to_pairs(first, x + 1 < width ? first + g.stride * channels : nullptr, row_numbers,
                       to);
      }
    }
  }
}

struct Task {
  int64_t tile, group, part;
};

// All sums of a task.
template <class Lane>
void sum_task(const Cut<Lane>& cut, const Tensor& picture, const Tensor& maps, const Task& task,
              float* sums) {
  static thread_local ThreadScratch picture_scratch, maps_scratch, plain_scratch;
  const ConvShape& s = cut.shape;
  const ConvGeometry& g = s.geometry;
  const std::vector<Run> runs = cut.runs(task.tile);
  std::fill_n(sums, sums_per_task(cut), 0.0f);
  const int64_t first_k = task.group * kGroup, ks = std::min(kGroup, s.maps.c - first_k);
  const int64_t block_rows = (cut.rows - 1) * g.stride + g.kernel;
  // Runs are read in whole vectors: the copy has room behind its end.
  const int64_t picture_lanes = block_rows * cut.copied_row(task.tile);
  Lane* picture_block = picture_scratch.numbers<Lane>(picture_lanes + kTile);
  std::fill_n(picture_block, picture_lanes + kTile, Lane{});
  Lane* maps_block = maps_scratch.numbers<Lane>(cut.rows * cut.steps * cut.maps_pitch);

  const int64_t first_n = s.maps.n * task.part / cut.parts;
  const int64_t last_n = s.maps.n * (task.part + 1) / cut.parts;
  Outer<Lane> outer;
  outer.cols = cut.steps;
  outer.left_step = cut.maps_pitch;
  outer.right_step = cut.right_step(task.tile);
  outer.right_row = g.stride * cut.copied_row(task.tile);
  for (int64_t n = first_n; n < last_n; ++n) {
    for (int64_t row = 0; row < s.maps.h; row += cut.rows) {
      outer.rows = std::min(cut.rows, s.maps.h - row);
      const Window window = {row * g.stride - g.padding, (outer.rows - 1) * g.stride + g.kernel,
                             -g.padding, cut.cols};
      copy_picture(cut, picture, n, window, task.tile, plain_scratch, picture_block);
      for (int64_t y = 0; y < outer.rows; ++y) {
        copy_maps(maps, (n * s.maps.h + row + y) * s.maps.w, first_k, ks, cut.maps_pitch,
                  maps_block + y * cut.steps * cut.maps_pitch);
      }
      for (size_t run = 0; run < runs.size(); ++run) {
        outer.right = picture_block + runs[run].offset;
        outer.width = runs[run].width;
        for (int64_t k = 0; k < ks; k += kOuterRows) {
          outer.left = maps_block + k;
          outer.sums = sums + (static_cast<int64_t>(run) * cut.group + k) * kTile;
          conv_micro<Lane>()->outer(outer);
        }
      }
    }
  }
}

}  // namespace

template <class Lane>
void conv_weights(const ConvShape& shape, const Tensor& picture, const Tensor& maps,
                  const Tensor& dw, Write write) {
  require(dw.dense(), "a weights gradient must be dense");
  static thread_local ThreadScratch scratch;
  const Cut<Lane> cut(shape);
  const int64_t numbers = sums_per_task(cut), pairs = cut.tiles * cut.groups;
  float* sums = scratch.numbers(numbers * pairs * cut.parts);
  parallel_for(pairs * cut.parts, [&](int64_t i) {
    const Task task = {i / cut.parts % cut.tiles, i / cut.parts / cut.tiles, i % cut.parts};
    sum_task(cut, picture, maps, task, sums + i * numbers);
  });

  // dw[k] as one row of kernel * kernel * C numbers.
  const int64_t row_numbers =
      int64_t{shape.geometry.kernel} * shape.geometry.kernel * shape.picture.c;
  parallel_for(shape.maps.c * cut.tiles, [&](int64_t i) {
    const int64_t k = i / cut.tiles, tile = i % cut.tiles, group = k / kGroup;
    const std::vector<Run> runs = cut.runs(tile);
    float* row = dw.as<float>() + k * row_numbers;
    for (size_t run = 0; run < runs.size(); ++run) {
      float* to = row + runs[run].to;
      for (int64_t part = 0; part < cut.parts; ++part) {
        const int64_t task = (group * cut.tiles + tile) * cut.parts + part;
        const float* from =
            sums + task * numbers + (static_cast<int64_t>(run) * cut.group + k % kGroup) * kTile;
        const bool add = part > 0 || write == Write::accumulate;
        for (int64_t j = 0; j < runs[run].used; ++j) to[j] = (add ? to[j] : 0.0f) + from[j];
      }
    }
  });
}

template void conv_weights<float>(const ConvShape&, const Tensor&, const Tensor&, const Tensor&,
                                  Write);
template void conv_weights<Pair>(const ConvShape&, const Tensor&, const Tensor&, const Tensor&,
                                 Write);

}  // namespace gan::cpu
