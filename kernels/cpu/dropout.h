// Dropout, in the passes of what comes before it.
#pragma once

#include "kernels/backend.h"

namespace gan::cpu {

// y = x * factor where an element is kept, 0 where it is dropped, over `rows` pixels of a tensor of so many
// channels, of which `first_pixel` is the first; y may be x. In the calling thread.
void drop_rows(const Dropout& dropout, int64_t first_pixel, int64_t rows, int64_t channels,
               const float* x, int64_t x_pitch, float* y, int64_t y_pitch);

}  // namespace gan::cpu
