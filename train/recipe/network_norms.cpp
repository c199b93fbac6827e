#include "train/recipe/network_norms.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/error.h"

namespace gan {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

double norm(const std::vector<float>& values) {
  double sum = 0;
  for (const float v : values) sum += double{v} * v;
  return std::sqrt(sum);
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return std::sqrt(sum);
}

bool ends_in(const std::string& name, const std::string& end) {
  return name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

UpdateProbe::UpdateProbe(const ParameterSet& parameters) : parameters_(parameters) {
  for (const Parameter& p : parameters.all()) {
    if (!p.learned) continue;
    before_.push_back(to_host(parameters.memory(), p.value));
    layers_.push_back(
        {p.name, norm(before_.back()), norm(to_host(parameters.memory(), p.grad)), 0});
  }
}

std::vector<LayerNorms> UpdateProbe::finish() const {
  std::vector<LayerNorms> layers = layers_;
  size_t i = 0;
  for (const Parameter& p : parameters_.all()) {
    if (!p.learned) continue;
    layers[i].update = distance(to_host(parameters_.memory(), p.value), before_[i]);
    ++i;
  }
  return layers;
}

double total_gradient(const std::vector<LayerNorms>& layers) {
  if (layers.empty()) return kNone;
  double squares = 0;
  for (const LayerNorms& layer : layers) squares += layer.gradient * layer.gradient;
  return std::sqrt(squares);
}

double median_update_ratio(const std::vector<LayerNorms>& layers) {
  std::vector<double> ratios;
  for (const LayerNorms& layer : layers) {
    if (ends_in(layer.name, ".weight") && !ends_in(layer.name, ".bn.weight")) {
      ratios.push_back(layer.update_ratio());
    }
  }
  if (ratios.empty()) return kNone;
  const auto middle = ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2);
  std::nth_element(ratios.begin(), middle, ratios.end());
  return *middle;
}

double least_variance(const ParameterSet& parameters) {
  double least = kNone;
  for (const Parameter& p : parameters.all()) {
    if (!ends_in(p.name, ".running_var")) continue;
    // Not std::fmin: GCC 12 fails to compile its loop for ARM.
    for (const float v : to_host(parameters.memory(), p.value))
      if (std::isnan(least) || v < least) least = v;
  }
  return least;
}

double relative_distance(const ParameterSet& a, const ParameterSet& b) {
  require(a.learned_count() == b.learned_count(), "networks of ", a.learned_count(), " and ",
          b.learned_count(), " parameters");
  const std::vector<float> from = to_host(b.memory(), b.values());
  const double size = norm(from);
  return size > 0 ? distance(to_host(a.memory(), a.values()), from) / size : 0;
}

}  // namespace gan
