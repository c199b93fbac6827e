// How close a coloured photo comes to the true one.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "train/image/image.h"
#include "train/metrics/chroma_metrics.h"

namespace gan {

// PSNR of identical images is infinite; this is the most that is reported.
constexpr double kMaxPsnr = 100;

// One photo. A number that does not exist for it is NaN (null in JSON).
struct PhotoMetrics {
  double psnr = 0;           // dB, over the 8-bit R, G and B values
  double psnr_ab = 0;        // dB, 10 log10(255^2 / MSE) over CIELAB a and b
  double ssim = 0;           // mean of R, G and B; NaN when a side is shorter than 11
  double ssim_luma = 0;      // of the unrounded BT.601 luma
  double ciede2000 = 0;      // mean over the pixels
  double ciede2000_p90 = 0;  // 90th percentile over the pixels
  double colorfulness = 0;   // of the output (see color.h)
  double colorfulness_truth = 0;
  double colorfulness_ratio = 0;  // output / truth; NaN when the truth is gray
  double bias_a = 0, bias_b = 0;  // mean of output - truth in CIELAB a and b
  double white_chroma = 0;        // mean CIELAB chroma of the output where the truth is white:
                                  // L* > 75, chroma < 10. NaN when it is so nowhere
  int64_t white_pixels = 0;       // how many those are
  double auc = 0;                 // of the error of a and b; this and the rest: chroma_metrics.h
  double hue_distance = 0;        // of the photo's hues from the truth's
  double blotch = 0;              // unevenness within what the truth paints evenly
  double coherence = 0;           // share of the chroma's variance that is between those parts
  HueHistogram hues{}, hues_truth{};
  ChromaHistogram colors{}, colors_truth{};
  double mean_a = 0, mean_b = 0, mean_a_truth = 0, mean_b_truth = 0;  // CIELAB
};

// Compares two RGB images of the same size.
//
// SSIM: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to
// structural similarity", 2004: Gaussian window of 11x11 with sigma 1.5, K1 = 0.01, K2 = 0.03,
// population statistics, mean over the positions where the window lies within the image.
PhotoMetrics measure(const Image& output, const Image& truth);

// Many photos: means over the photos for which a number exists, except where said otherwise.
struct MetricsSummary {
  int64_t photos = 0;
  double psnr = 0, psnr_ab = 0, ssim = 0, ssim_luma = 0;
  double ciede2000 = 0, ciede2000_p90 = 0;
  double colorfulness = 0, colorfulness_truth = 0;
  double colorfulness_ratio = 0;         // ratio of the two means
  double colorfulness_ratio_photos = 0;  // mean of the photos' ratios
  double bias_a = 0, bias_b = 0;
  double white_chroma = 0;  // over all white pixels of all photos
  int64_t white_pixels = 0;
  double auc = 0;
  double hue_distance = 0;  // between the hues of all outputs and of all truths together
  double blotch = 0, coherence = 0;
  // Do photos get different colours? Of all outputs together over all truths: the entropy of their
  // chroma, and how far photos' mean (a, b) spread. 1 is as in truth; near 0, all look alike.
  double entropy_ratio = 0, variety_ratio = 0;
  double score = 0;  // color_score of ciede2000 and colorfulness_ratio
};

MetricsSummary summarize(const std::vector<PhotoMetrics>& photos);

// Where the numbers of a summary would lie in 95 of 100 other draws of as many photos: for each the
// 2.5th and 97.5th percentile over 1,000 summaries of photos drawn with replacement, from a fixed
// seed (Efron, "Bootstrap methods: another look at the jackknife", 1979). Counts stay 0.
struct MetricsInterval {
  MetricsSummary low, high;
};
MetricsInterval confidence(const std::vector<PhotoMetrics>& photos);

// One number to rank models by, lower is better: the colour difference, plus a penalty of 0.1 per
// 0.01 that colourfulness lies below 0.85 or above 1.15 of the truth, since the difference alone
// rewards gray-brown. A ratio that does not exist (NaN) costs nothing.
double color_score(double ciede2000, double colorfulness_ratio);

// Objects with the members' names as keys, without the histograms; an interval's values are pairs.
nlohmann::json to_json(const PhotoMetrics& metrics);
nlohmann::json to_json(const MetricsSummary& summary);
nlohmann::json to_json(const MetricsInterval& interval);

}  // namespace gan
