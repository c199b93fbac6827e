// How far results may lie from the reference's before they count as wrong.
#pragma once

#include "kernels/device.h"

namespace gan::bench {

struct Limits {
  double outputs = 0;    // of a network, and losses
  double gradients = 0;  // of a whole network as one vector
};

constexpr Limits limits_for(DevicePrecision precision) {
  // float32 sums in another order come to some 1e-6 through a whole network. A single ReLU unit whose
  // input lies within rounding of 0 and falls on the other side changes gradients by up to 1e-2, any
  // mistake by far more.
  if (precision == DevicePrecision::fp32) return {1e-4, 5e-2};
  // Factors of 8 bits: some 1e-3 in outputs, and many units fall on the other side.
  return {1e-2, 0.3};
}

}  // namespace gan::bench
