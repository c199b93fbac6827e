#include "train/metrics/chroma_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "engine/error.h"

namespace gan {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kLeastChroma = 1;  // below it a hue is rounding noise

double square(double v) {
  return v * v;
}

// Sums from which the spread of a segment's colours follows.
struct Sums {
  double count = 0, a = 0, b = 0, squares = 0;

  void add(const Lab& c) {
    ++count;
    a += c.a;
    b += c.b;
    squares += c.a * c.a + c.b * c.b;
  }
  double variance() const {
    return std::max(0.0, squares / count - square(a / count) - square(b / count));
  }
  double spread() const { return std::sqrt(variance()); }
};

// Grows one segment at a time.
class Segmenter {
 public:
  Segmenter(const std::vector<Lab>& pixels, int width, int height)
      : pixels_(pixels), width_(width), height_(height), labels_(pixels.size(), kUnseen) {}

  std::vector<int32_t> run() {
    int32_t next = 0;
    for (size_t seed = 0; seed < pixels_.size(); ++seed) {
      if (labels_[seed] != kUnseen) continue;
      grow(static_cast<int>(seed), next);
      if (members_.size() >= kSegmentPixels) {
        ++next;
      } else {
        for (const int member : members_) labels_[member] = -1;
      }
    }
    return std::move(labels_);
  }

 private:
  static constexpr int32_t kUnseen = -2;

  void grow(int seed, int32_t label) {
    members_.clear();
    sum_ = {};
    take(seed, label);
    for (size_t i = 0; i < members_.size(); ++i) {
      const int at = members_[i], x = at % width_, y = at / width_;
      if (x > 0) offer(at - 1, label);
      if (x + 1 < width_) offer(at + 1, label);
      if (y > 0) offer(at - width_, label);
      if (y + 1 < height_) offer(at + width_, label);
    }
  }

  void offer(int at, int32_t label) {
    if (labels_[at] != kUnseen) return;
    const Lab& c = pixels_[at];
    const auto n = static_cast<double>(members_.size());
    const double distance =
        square(c.l - sum_.l / n) + square(c.a - sum_.a / n) + square(c.b - sum_.b / n);
    if (distance <= kSegmentColor * kSegmentColor) take(at, label);
  }

  void take(int at, int32_t label) {
    labels_[at] = label;
    members_.push_back(at);
    sum_.l += pixels_[at].l;
    sum_.a += pixels_[at].a;
    sum_.b += pixels_[at].b;
  }

  const std::vector<Lab>& pixels_;
  int width_, height_;
  std::vector<int32_t> labels_;
  std::vector<int> members_;  // of the segment that grows, in the order they joined
  Lab sum_;
};

}  // namespace

HueHistogram hue_histogram(const std::vector<Lab>& pixels) {
  HueHistogram histogram{};
  for (const Lab& c : pixels) {
    const double chroma = c.chroma();
    if (chroma < kLeastChroma) continue;
    const double turns = std::atan2(c.b, c.a) / (2 * std::numbers::pi);
    const double at = (turns < 0 ? turns + 1 : turns) * kHueBins;
    const auto bin = static_cast<size_t>(at);
    const double second = at - static_cast<double>(bin);
    histogram[bin % kHueBins] += chroma * (1 - second);
    histogram[(bin + 1) % kHueBins] += chroma * second;
  }
  return histogram;
}

double hue_distance(const HueHistogram& output, const HueHistogram& truth) {
  const double outputs = std::accumulate(output.begin(), output.end(), 0.0);
  const double truths = std::accumulate(truth.begin(), truth.end(), 0.0);
  if (truths <= 0) return kNone;
  if (outputs <= 0) return 1;
  double common = 0;
  for (size_t i = 0; i < output.size(); ++i)
    common += std::min(output[i] / outputs, truth[i] / truths);
  return std::max(0.0, 1 - common);
}

ChromaHistogram chroma_histogram(const Image& image) {
  ChromaHistogram histogram{};
  const auto cell = [](float chroma) {
    return std::clamp(static_cast<int>((chroma + 128) * kChromaCells / 256), 0, kChromaCells - 1);
  };
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    const YCbCr c = to_ycbcr(image.pixels[i], image.pixels[i + 1], image.pixels[i + 2]);
    ++histogram[static_cast<size_t>(cell(c.cb) * kChromaCells + cell(c.cr))];
  }
  return histogram;
}

double entropy(const ChromaHistogram& histogram) {
  const double total = std::accumulate(histogram.begin(), histogram.end(), 0.0);
  double bits = 0;
  for (const double count : histogram) {
    if (count > 0) bits -= count / total * std::log2(count / total);
  }
  return bits;
}

double area_under_curve(const std::vector<Lab>& output, const std::vector<Lab>& truth) {
  constexpr double kFarthest = 150;
  double sum = 0;
  for (size_t i = 0; i < output.size(); ++i) {
    const double distance = std::hypot(output[i].a - truth[i].a, output[i].b - truth[i].b);
    sum += std::min(distance, kFarthest);
  }
  return 1 - sum / static_cast<double>(output.size()) / kFarthest;
}

std::vector<int32_t> segments(const std::vector<Lab>& pixels, int width, int height) {
  require(pixels.size() == static_cast<size_t>(width) * static_cast<size_t>(height),
          "segments: ", pixels.size(), " pixels are not ", width, "x", height);
  return Segmenter(pixels, width, height).run();
}

Evenness evenness(const std::vector<Lab>& output, const std::vector<Lab>& truth, int width,
                  int height) {
  const std::vector<int32_t> labels = segments(truth, width, height);
  const int32_t count = 1 + *std::max_element(labels.begin(), labels.end());
  std::vector<Sums> painted(static_cast<size_t>(count)), real(painted);
  Sums all;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0) continue;
    painted[labels[i]].add(output[i]);
    real[labels[i]].add(truth[i]);
    all.add(output[i]);
  }
  if (all.count == 0) return {kNone, kNone};
  double excess = 0, within = 0;
  for (size_t s = 0; s < real.size(); ++s) {
    excess += real[s].count * std::max(0.0, painted[s].spread() - real[s].spread());
    within += real[s].count * painted[s].variance();
  }
  const double total = all.variance();
  return {excess / all.count, total < kLeastVariance ? kNone : 1 - within / all.count / total};
}

}  // namespace gan
