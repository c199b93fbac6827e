// Random numbers side by side, for the instruction set at hand.
#pragma once

#include <cstdint>

namespace gan::cpu {

inline constexpr int64_t kUniformBatch = 128;  // numbers that are drawn together

// out[4 * i + w] = unit_float of word w of the block Philox::at(seed, high, first_block + i): `count`
// numbers, and what fills the last batch.
void draw_uniform(uint64_t seed, uint64_t high, uint64_t first_block, int64_t count, float* out);

}  // namespace gan::cpu
