// The optimiser of a network.
#pragma once

#include <cstdint>

#include "kernels/dispatch.h"
#include "model/parameters.h"

namespace gan {

// Adam over all learned values of a network at once (Kingma & Ba 2015).
class Adam {
 public:
  // Moments start at zero.
  Adam(ParameterSet& parameters, const AdamSettings& settings);

  // One update from the gradients that have arrived; then forgets them. A parameter that received
  // none since the last update is an error.
  void update(Kernels& kernels);

  AdamSettings& settings() { return settings_; }
  uint64_t steps() const { return step_; }

  // The state that continuing needs: the moments, shaped like ParameterSet::values(), and the count.
  const Tensor& first_moment() const { return first_; }
  const Tensor& second_moment() const { return second_; }
  void set_steps(uint64_t steps) { step_ = steps; }

 private:
  ParameterSet& parameters_;
  AdamSettings settings_;
  Buffer moments_;
  Tensor first_, second_;
  Buffer device_step_;
  uint64_t step_ = 0;
};

}  // namespace gan
