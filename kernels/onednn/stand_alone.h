// A convolution as fast as oneDNN can make it: in the layouts that it likes best, on memory of its own. No
// network can use it as it is; it is what the others are measured against.
#pragma once

#include <functional>

#include "kernels/backend.h"

namespace gan {

// Runs once with every call, on random numbers. `bf16_factors`: pictures and weights in bfloat16. Empty
// where oneDNN is not part of the build, or has nothing but reference loops for this convolution.
std::function<void()> onednn_stand_alone(const Call& call, bool bf16_factors);

}  // namespace gan
