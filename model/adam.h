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
  // none since the last update is an error. The update is taken only under the conditions of
  // Backend::begin_update.
  void update(Kernels& kernels, const Tensor& numbers = {}, const UpdateControl* after = nullptr);

  // Of the next update. In the order of the device's work: it may be set while it works.
  void set_learning_rate(double rate);
  // What the last update was decided by, in the device's memory.
  const UpdateControl* control() const { return device_control(); }

  // Updates taken so far. Waits for the device.
  uint64_t steps() const;

  // The state that continuing needs: the moments, shaped like ParameterSet::values(), and the count.
  const Tensor& first_moment() const { return first_; }
  const Tensor& second_moment() const { return second_; }
  void set_steps(uint64_t steps);

 private:
  UpdateControl* device_control() const { return static_cast<UpdateControl*>(control_.data()); }

  ParameterSet& parameters_;
  AdamSettings settings_;
  Buffer moments_;
  Tensor first_, second_;
  Buffer control_;
  double learning_rate_;
};

}  // namespace gan
