#include "train/metrics/metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "engine/error.h"
#include "train/image/color.h"
#include "train/metrics/chroma_metrics.h"

namespace gan {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr int kWindow = 11;

double psnr(double mean_squared_error) {
  if (mean_squared_error <= 0) return kMaxPsnr;
  return std::min(kMaxPsnr, 10 * std::log10(255.0 * 255.0 / mean_squared_error));
}

double mean_squared_error(const Image& x, const Image& y) {
  int64_t sum = 0;
  for (size_t i = 0; i < x.pixels.size(); ++i) {
    const int d = x.pixels[i] - y.pixels[i];
    sum += d * d;
  }
  return static_cast<double>(sum) / static_cast<double>(x.pixels.size());
}

// With linear interpolation between ranks. Reorders `values`.
double percentile(std::vector<double>& values, double share) {
  const double rank = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(rank);
  const auto nth = values.begin() + static_cast<ptrdiff_t>(below);
  std::nth_element(values.begin(), nth, values.end());
  if (nth + 1 == values.end()) return *nth;
  const double above = *std::min_element(nth + 1, values.end());
  return *nth + (rank - static_cast<double>(below)) * (above - *nth);
}

// One channel of an image, as SSIM needs it.
struct Plane {
  int width, height;
  std::vector<double> values;
  const double* row(int y) const { return values.data() + static_cast<ptrdiff_t>(y) * width; }
};

Plane channel_plane(const Image& image, int channel) {
  Plane plane{image.width, image.height, std::vector<double>(image.pixels.size() / 3)};
  for (size_t i = 0; i < plane.values.size(); ++i)
    plane.values[i] = image.pixels[3 * i + static_cast<size_t>(channel)];
  return plane;
}

Plane luma_plane(const Image& image) {
  Plane plane{image.width, image.height, std::vector<double>(image.pixels.size() / 3)};
  for (size_t i = 0; i < plane.values.size(); ++i) {
    const uint8_t* p = image.pixels.data() + 3 * i;
    plane.values[i] = luma(p[0], p[1], p[2]);
  }
  return plane;
}

std::array<double, kWindow> gaussian_window() {
  constexpr double kSigma = 1.5;
  std::array<double, kWindow> window{};
  double sum = 0;
  for (int i = 0; i < kWindow; ++i) {
    const double d = i - kWindow / 2;
    sum += window[static_cast<size_t>(i)] = std::exp(-d * d / (2 * kSigma * kSigma));
  }
  for (double& w : window) w /= sum;
  return window;
}

// The window's weighted means of x, y, xx, yy and xy along one row of window positions. The window
// is separable: first down the columns, then along the row.
class RowMoments {
 public:
  enum { kX, kY, kXX, kYY, kXY, kCount };

  explicit RowMoments(int width)
      : window_(gaussian_window()),
        columns_(static_cast<size_t>(width)),
        positions_(columns_ - kWindow + 1) {
    for (int m = 0; m < kCount; ++m) {
      down_[m].resize(columns_);
      mean_[m].resize(positions_);
    }
  }

  // For windows whose topmost row is `top`.
  void compute(const Plane& x, const Plane& y, int top) {
    for (auto& sums : down_) std::fill(sums.begin(), sums.end(), 0.0);
    for (int k = 0; k < kWindow; ++k)
      add_row(x.row(top + k), y.row(top + k), window_[static_cast<size_t>(k)]);
    for (int m = 0; m < kCount; ++m) {
      std::fill(mean_[m].begin(), mean_[m].end(), 0.0);
      for (size_t k = 0; k < kWindow; ++k)
        for (size_t i = 0; i < positions_; ++i) mean_[m][i] += window_[k] * down_[m][i + k];
    }
  }

  size_t positions() const { return positions_; }
  double mean(int moment, size_t position) const { return mean_[moment][position]; }

 private:
  void add_row(const double* x, const double* y, double weight) {
    for (size_t i = 0; i < columns_; ++i) {
      const double wx = weight * x[i], wy = weight * y[i];
      down_[kX][i] += wx;
      down_[kY][i] += wy;
      down_[kXX][i] += wx * x[i];
      down_[kYY][i] += wy * y[i];
      down_[kXY][i] += wx * y[i];
    }
  }

  std::array<double, kWindow> window_;
  size_t columns_, positions_;
  std::vector<double> down_[kCount], mean_[kCount];
};

double ssim(const Plane& x, const Plane& y) {
  if (x.width < kWindow || x.height < kWindow) return kNone;
  constexpr double kC1 = (0.01 * 255) * (0.01 * 255), kC2 = (0.03 * 255) * (0.03 * 255);
  RowMoments moments(x.width);
  const int rows = x.height - kWindow + 1;
  double sum = 0;
  for (int top = 0; top < rows; ++top) {
    moments.compute(x, y, top);
    for (size_t i = 0; i < moments.positions(); ++i) {
      const double mx = moments.mean(RowMoments::kX, i), my = moments.mean(RowMoments::kY, i);
      const double vx = moments.mean(RowMoments::kXX, i) - mx * mx;
      const double vy = moments.mean(RowMoments::kYY, i) - my * my;
      const double vxy = moments.mean(RowMoments::kXY, i) - mx * my;
      sum += (2 * mx * my + kC1) * (2 * vxy + kC2) / ((mx * mx + my * my + kC1) * (vx + vy + kC2));
    }
  }
  return sum / (static_cast<double>(rows) * static_cast<double>(moments.positions()));
}

// Everything that is measured in CIELAB.
void measure_lab(const Image& output, const Image& truth, PhotoMetrics& metrics) {
  const std::vector<Lab> out = to_lab(output), real = to_lab(truth);
  const auto n = static_cast<double>(out.size());
  std::vector<double> differences(out.size());
  double sum_a = 0, sum_b = 0, sum_squares = 0, sum_difference = 0, sum_white = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    const double da = out[i].a - real[i].a, db = out[i].b - real[i].b;
    sum_a += da;
    sum_b += db;
    metrics.mean_a_truth += real[i].a / n;
    metrics.mean_b_truth += real[i].b / n;
    sum_squares += da * da + db * db;
    sum_difference += differences[i] = ciede2000(out[i], real[i]);
    if (real[i].l > 75 && real[i].chroma() < 10) {
      sum_white += out[i].chroma();
      ++metrics.white_pixels;
    }
  }
  metrics.psnr_ab = psnr(sum_squares / (2 * n));
  metrics.bias_a = sum_a / n;
  metrics.bias_b = sum_b / n;
  metrics.mean_a = metrics.mean_a_truth + metrics.bias_a;
  metrics.mean_b = metrics.mean_b_truth + metrics.bias_b;
  metrics.ciede2000 = sum_difference / n;
  metrics.ciede2000_p90 = percentile(differences, 0.9);
  metrics.white_chroma =
      metrics.white_pixels > 0 ? sum_white / static_cast<double>(metrics.white_pixels) : kNone;
  metrics.auc = area_under_curve(out, real);
  metrics.hues = hue_histogram(out);
  metrics.hues_truth = hue_histogram(real);
  metrics.hue_distance = hue_distance(metrics.hues, metrics.hues_truth);
  metrics.colors = chroma_histogram(output);
  metrics.colors_truth = chroma_histogram(truth);
  const Evenness even = evenness(out, real, truth.width, truth.height);
  metrics.blotch = even.blotch;
  metrics.coherence = even.coherence;
}

}  // namespace

PhotoMetrics measure(const Image& output, const Image& truth) {
  require_valid(output);
  require_valid(truth);
  require(output.channels == 3 && output.same_size(truth), "cannot compare ", output.width, "x",
          output.height, "x", output.channels, " with ", truth.width, "x", truth.height, "x",
          truth.channels);
  PhotoMetrics metrics;
  metrics.psnr = psnr(mean_squared_error(output, truth));
  for (int c = 0; c < 3; ++c)
    metrics.ssim += ssim(channel_plane(output, c), channel_plane(truth, c)) / 3;
  metrics.ssim_luma = ssim(luma_plane(output), luma_plane(truth));
  metrics.colorfulness = colorfulness(output);
  metrics.colorfulness_truth = colorfulness(truth);
  metrics.colorfulness_ratio =
      metrics.colorfulness_truth > 0 ? metrics.colorfulness / metrics.colorfulness_truth : kNone;
  measure_lab(output, truth, metrics);
  return metrics;
}

}  // namespace gan
