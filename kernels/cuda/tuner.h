// Which of several backends is the fastest for a convolution here: measured once, kept in a file.
#pragma once

#include "kernels/cuda/choices.h"
#include "kernels/dispatch.h"

namespace gan {

class Tuner {
 public:
  // `choices`: what is known already and where to keep what is found out.
  Tuner(Memory& memory, Choices choices);

  // The fastest of the backends that support a convolution, preferring the first unless another one is
  // clearly faster. Says what it measured in a line on standard error. Null for other calls, and where
  // there is no memory left to measure in.
  Backend* choose(const Call& call, const Kernels::Backends& among);

 private:
  double seconds(const Call& call, Backend& backend, const Kernels::Backends& among);

  Memory& memory_;
  Choices choices_;  // the fastest backend, by call
};

}  // namespace gan
