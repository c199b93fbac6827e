// How far results may lie from the reference's before they count as wrong.
#pragma once

namespace gan::bench {

// Outputs and losses: float32 sums in another order come to some 1e-6 through a whole network.
inline constexpr double kOutputLimit = 1e-4;
// Gradients of a whole network as one vector: a single ReLU unit whose input lies within rounding
// of 0 and falls on the other side changes them by up to 1e-2, any mistake by far more.
inline constexpr double kGradientLimit = 5e-2;

}  // namespace gan::bench
