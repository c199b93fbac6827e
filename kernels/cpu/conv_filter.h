// What the convolutions by minimal filtering share.
#pragma once

#include "kernels/cpu/conv_tiles.h"

namespace gan::cpu {

// The transformed weights (bilinear.h) between input channel `in` and result channels [first, first +
// width): micro().weights squared rows, `pitch` numbers apart. `out_first`: results' channels are
// the weights' rows (forward).
void transformed_weights(const Tiling& tiling, const Tensor& weights, bool out_first, int64_t in,
                         int64_t first, int64_t width, float* to, int64_t pitch);

}  // namespace gan::cpu
