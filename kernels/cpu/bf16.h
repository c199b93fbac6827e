// Rounding to bfloat16, many numbers at a time.
#pragma once

#include <cstdint>

#include "kernels/cpu/conv_micro.h"

namespace gan::cpu {

// To the nearest, ties to even, as bf16's constructor.
void round_to_bf16(const float* from, int64_t count, bf16* to);
// to[i] = {first[i], second[i]}; 0 for the second number when `second` is null
void round_to_pairs(const float* first, const float* second, int64_t count, Pair* to);

}  // namespace gan::cpu
