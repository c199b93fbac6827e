// Averages over 2x2 windows, for what pools as it goes.
#pragma once

#include <cstdint>

namespace gan::cpu {

// The averages of a row of windows, `channels` each, from two neighbouring rows of pixels at `pitch`. In the
// calling thread.
void average_row(int64_t windows, int64_t channels, const float* top, const float* bottom,
                 int64_t pitch, float* y, int64_t y_pitch);

}  // namespace gan::cpu
