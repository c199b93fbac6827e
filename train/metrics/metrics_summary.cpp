// Many photos' metrics as one table: means, how sure they are, JSON.
#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/parallel.h"
#include "engine/random.h"
#include "train/metrics/metrics.h"

namespace gan {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr int kResamples = 1000;
constexpr uint64_t kResampleSeed = 95;

// All numbers of a photo and of a summary, with their names. `of_photos`: what a mean is taken of.
struct PhotoNumber {
  const char* name;
  double PhotoMetrics::*member;
};
struct SummaryNumber {
  const char* name;
  double MetricsSummary::*member;
  double PhotoMetrics::*of_photos = nullptr;
};

using P = PhotoMetrics;
using S = MetricsSummary;
constexpr PhotoNumber kPhotoNumbers[] = {
    {"psnr", &P::psnr},
    {"psnr_ab", &P::psnr_ab},
    {"ssim", &P::ssim},
    {"ssim_luma", &P::ssim_luma},
    {"ciede2000", &P::ciede2000},
    {"ciede2000_p90", &P::ciede2000_p90},
    {"colorfulness", &P::colorfulness},
    {"colorfulness_truth", &P::colorfulness_truth},
    {"colorfulness_ratio", &P::colorfulness_ratio},
    {"bias_a", &P::bias_a},
    {"bias_b", &P::bias_b},
    {"white_chroma", &P::white_chroma},
    {"auc", &P::auc},
    {"hue_distance", &P::hue_distance},
    {"blotch", &P::blotch},
    {"coherence", &P::coherence},
};
constexpr SummaryNumber kSummaryNumbers[] = {
    {"psnr", &S::psnr, &P::psnr},
    {"psnr_ab", &S::psnr_ab, &P::psnr_ab},
    {"ssim", &S::ssim, &P::ssim},
    {"ssim_luma", &S::ssim_luma, &P::ssim_luma},
    {"ciede2000", &S::ciede2000, &P::ciede2000},
    {"ciede2000_p90", &S::ciede2000_p90, &P::ciede2000_p90},
    {"colorfulness", &S::colorfulness, &P::colorfulness},
    {"colorfulness_truth", &S::colorfulness_truth, &P::colorfulness_truth},
    {"colorfulness_ratio", &S::colorfulness_ratio},
    {"colorfulness_ratio_photos", &S::colorfulness_ratio_photos, &P::colorfulness_ratio},
    {"bias_a", &S::bias_a, &P::bias_a},
    {"bias_b", &S::bias_b, &P::bias_b},
    {"white_chroma", &S::white_chroma},
    {"auc", &S::auc, &P::auc},
    {"hue_distance", &S::hue_distance},
    {"blotch", &S::blotch, &P::blotch},
    {"coherence", &S::coherence, &P::coherence},
    {"entropy_ratio", &S::entropy_ratio},
    {"variety_ratio", &S::variety_ratio},
    {"score", &S::score},
};

double mean(const std::vector<PhotoMetrics>& photos, double PhotoMetrics::*member) {
  double sum = 0;
  int64_t count = 0;
  for (const PhotoMetrics& photo : photos) {
    if (std::isnan(photo.*member)) continue;
    sum += photo.*member;
    ++count;
  }
  return count > 0 ? sum / static_cast<double>(count) : kNone;
}

double ratio(double a, double b) {
  return b > 0 ? a / b : kNone;
}

// How far points lie from their mean.
class Spread {
 public:
  void add(double x, double y) {
    ++count_;
    x_ += x;
    y_ += y;
    squares_ += x * x + y * y;
  }
  double value() const {
    if (count_ == 0) return 0;
    return std::sqrt(std::max(0.0, (squares_ - (x_ * x_ + y_ * y_) / count_) / count_));
  }

 private:
  double count_ = 0, x_ = 0, y_ = 0, squares_ = 0;
};

nlohmann::json number(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json();
}

}  // namespace

double color_score(double ciede2000, double colorfulness_ratio) {
  if (std::isnan(colorfulness_ratio)) return ciede2000;
  return ciede2000 + 10 * std::max(0.0, 0.85 - colorfulness_ratio) +
         10 * std::max(0.0, colorfulness_ratio - 1.15);
}

MetricsSummary summarize(const std::vector<PhotoMetrics>& photos) {
  MetricsSummary summary;
  summary.photos = static_cast<int64_t>(photos.size());
  for (const SummaryNumber& n : kSummaryNumbers)
    if (n.of_photos) summary.*n.member = mean(photos, n.of_photos);
  summary.colorfulness_ratio = ratio(summary.colorfulness, summary.colorfulness_truth);
  double white = 0;
  HueHistogram hues{}, hues_truth{};
  ChromaHistogram colors{}, colors_truth{};
  Spread spread, spread_truth;
  for (const PhotoMetrics& photo : photos) {
    for (size_t i = 0; i < hues.size(); ++i) {
      hues[i] += photo.hues[i];
      hues_truth[i] += photo.hues_truth[i];
    }
    for (size_t i = 0; i < colors.size(); ++i) {
      colors[i] += photo.colors[i];
      colors_truth[i] += photo.colors_truth[i];
    }
    spread.add(photo.mean_a, photo.mean_b);
    spread_truth.add(photo.mean_a_truth, photo.mean_b_truth);
    if (photo.white_pixels == 0) continue;
    white += photo.white_chroma * static_cast<double>(photo.white_pixels);
    summary.white_pixels += photo.white_pixels;
  }
  summary.white_chroma =
      summary.white_pixels > 0 ? white / static_cast<double>(summary.white_pixels) : kNone;
  summary.hue_distance = hue_distance(hues, hues_truth);
  summary.entropy_ratio = ratio(entropy(colors), entropy(colors_truth));
  summary.variety_ratio = ratio(spread.value(), spread_truth.value());
  summary.score = color_score(summary.ciede2000, summary.colorfulness_ratio);
  return summary;
}

MetricsInterval confidence(const std::vector<PhotoMetrics>& photos) {
  std::vector<MetricsSummary> draws(photos.empty() ? 0 : kResamples);
  parallel_for(static_cast<int64_t>(draws.size()), [&](int64_t i) {
    Random random(kResampleSeed, static_cast<uint64_t>(i));
    std::vector<PhotoMetrics> drawn;
    drawn.reserve(photos.size());
    while (drawn.size() < photos.size())
      drawn.push_back(photos[random.below(static_cast<uint32_t>(photos.size()))]);
    draws[i] = summarize(drawn);
  });
  MetricsInterval interval;
  for (const SummaryNumber& n : kSummaryNumbers) {
    std::vector<double> values;
    for (const MetricsSummary& draw : draws)
      if (std::isfinite(draw.*n.member)) values.push_back(draw.*n.member);
    std::sort(values.begin(), values.end());
    const auto at = [&](double share) {
      if (values.empty()) return kNone;
      return values[static_cast<size_t>(std::lround(share * double(values.size() - 1)))];
    };
    interval.low.*n.member = at(0.025);
    interval.high.*n.member = at(0.975);
  }
  return interval;
}

nlohmann::json to_json(const PhotoMetrics& metrics) {
  nlohmann::json all;
  for (const PhotoNumber& n : kPhotoNumbers) all[n.name] = number(metrics.*n.member);
  all["white_pixels"] = metrics.white_pixels;
  return all;
}

nlohmann::json to_json(const MetricsSummary& summary) {
  nlohmann::json all;
  for (const SummaryNumber& n : kSummaryNumbers) all[n.name] = number(summary.*n.member);
  all["photos"] = summary.photos;
  all["white_pixels"] = summary.white_pixels;
  return all;
}

nlohmann::json to_json(const MetricsInterval& interval) {
  nlohmann::json all;
  for (const SummaryNumber& n : kSummaryNumbers)
    all[n.name] = {number(interval.low.*n.member), number(interval.high.*n.member)};
  return all;
}

}  // namespace gan
