// Which of several backends is the fastest for a convolution here: measured once, kept in a file.
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

  // The fastest of the backends that support a convolution, preferring the first unless another one is
  // clearly faster. Says in a line on standard error when it begins to measure. Null for other calls, and
  // where there is no memory left to measure in.
  Backend* choose(const Call& call, const Kernels::Backends& among);

  // Device::tuning_report.
  std::string report();

 private:
  double seconds(const Call& call, Backend& backend, const Kernels::Backends& among);

  Memory& memory_;
  Choices choices_;                 // the fastest backend, by call
  std::vector<Measured> measured_;  // not reported yet
  bool announced_ = false, reported_ = false;
};

}  // namespace gan
