// How far results may lie from the reference's before they count as wrong.
#pragma once

#include "kernels/device.h"

namespace gan::bench {

// Outputs and losses: float32 sums in another order come to some 1e-6 through a whole network. Factors
// rounded to 11 bits err by 5e-4, pictures rounded to 8 by 4e-3, in every one of ten layers.
constexpr double output_limit(DevicePrecision precision) {
  return precision == DevicePrecision::fp32   ? 1e-4
         : precision == DevicePrecision::tf32 ? 1e-2
                                              : 5e-2;
}
// Gradients of a whole network as one vector: a single ReLU unit whose input lies within rounding
// of 0 and falls on the other side changes them by up to 1e-2, any mistake by far more.
constexpr double gradient_limit(DevicePrecision precision) {
  return precision == DevicePrecision::fp32 ? 5e-2 : precision == DevicePrecision::tf32 ? 0.1 : 0.3;
}

}  // namespace gan::bench
