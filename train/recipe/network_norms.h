// How large a network's weights, gradients and updates are: whether it learns, and evenly so.
#pragma once

#include <string>
#include <vector>

#include "model/parameters.h"

namespace gan {

// Euclidean norms of one learned tensor and of what one step does to it. An update of about a
// thousandth of the weights is healthy.
struct LayerNorms {
  std::string name;
  double weight = 0, gradient = 0, update = 0;

  double update_ratio() const { return weight > 0 ? update / weight : 0; }
};

// Looks at a network before and after an optimiser's step. Copies it to the host twice: for a step
// now and then.
class UpdateProbe {
 public:
  // Gradients have arrived.
  explicit UpdateProbe(const ParameterSet& parameters);
  // The update is done.
  std::vector<LayerNorms> finish() const;

 private:
  const ParameterSet& parameters_;
  std::vector<std::vector<float>> before_;
  std::vector<LayerNorms> layers_;
};

// The norm of all gradients together; NaN without layers.
double total_gradient(const std::vector<LayerNorms>& layers);
// The median of the layers' update ratios, biases and such left out; NaN without layers.
double median_update_ratio(const std::vector<LayerNorms>& layers);

// The smallest running variance of all batch norms, NaN without any: near 0, a channel is dead.
double least_variance(const ParameterSet& parameters);
// |a - b| / |b| over the learned values of two networks of one shape.
double relative_distance(const ParameterSet& a, const ParameterSet& b);

}  // namespace gan
