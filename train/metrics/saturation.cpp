#include "train/metrics/saturation.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/parallel.h"
#include "train/image/color.h"

namespace gan {
namespace {

constexpr int64_t kBatch = 16;
constexpr int kHalvings = 9;  // of the range: leaves less than 0.01

ChromaPlane scaled(ChromaPlane plane, float gain) {
  for (float& cb : plane.cb) cb *= gain;
  for (float& cr : plane.cr) cr *= gain;
  return plane;
}

// Summed in the order of the photos, so the same with any number of threads.
template <class Each>
double sum(int64_t count, Each&& each) {
  std::vector<double> values(static_cast<size_t>(count));
  parallel_for(count, [&](int64_t i) { values[i] = each(i); });
  double total = 0;
  for (const double value : values) total += value;
  return total;
}

}  // namespace

double fitted_saturation(Colorizer& colorizer, const PhotoSet& photos) {
  const int64_t count = photos.count();
  std::vector<ChromaPlane> planes;
  for (int64_t begin = 0; begin < count; begin += kBatch) {
    std::vector<Image> batch;
    for (int64_t i = begin; i < std::min(count, begin + kBatch); ++i) {
      batch.push_back(photos.image(i));
    }
    for (ChromaPlane& plane : colorizer.chroma(batch)) planes.push_back(std::move(plane));
  }
  const double truth = sum(count, [&](int64_t i) { return colorfulness(photos.image(i)); });
  const auto with_gain = [&](double gain) {
    return sum(count, [&](int64_t i) {
      return colorfulness(
          with_chroma(photos.image(i), scaled(planes[i], static_cast<float>(gain))));
    });
  };
  // What the gamut allows grows with the gain, so there is one answer.
  double low = kLeastSaturation, high = kMostFittedSaturation;
  if (!(truth > 0) || !(with_gain(1) > 0)) return 1;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (low + high) / 2;
    (with_gain(middle) < truth ? low : high) = middle;
  }
  return std::round((low + high) / 2 * 100) / 100;
}

}  // namespace gan
