// Which of several backends, and of their variants, is the fastest for a convolution here: measured
// once, kept in a file.
#pragma once

#include <string>
#include <vector>

#include "kernels/cuda/choices.h"
#include "kernels/cuda/tuning_report.h"
#include "kernels/dispatch.h"

namespace gan {

class Tuner {
 public:
  // `choices`: what is known already and where to keep what is found out.
  Tuner(Memory& memory, Choices choices);

  // The fastest of the backends that support a convolution, told to take its fastest variant:
  // preferring the first and its automatic one unless another is clearly faster. Says in a line on
  // standard error when it begins to measure. Null for other calls, and where there is no memory
  // left to measure in.
  Backend* choose(const Call& call, const Kernels::Backends& among);

  // Device::tuning_report.
  std::string report();

 private:
  Memory& memory_;
  Choices choices_;                 // the fastest backend and variant, by call
  std::vector<Measured> measured_;  // not reported yet
  bool announced_ = false, reported_ = false;
};

}  // namespace gan
