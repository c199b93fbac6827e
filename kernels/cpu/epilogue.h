// What follows a convolution's sums: y = act(y + bias), in place.
#pragma once

#include "kernels/backend.h"

namespace gan::cpu {

// Channels [first, first + count) of one pixel, at y.
void apply_epilogue(const Epilogue& epilogue, int64_t first, int64_t count, float* y);

// A whole tensor. Bytes moved per float: 8.
void apply_epilogue(const Epilogue& epilogue, const Tensor& y);

}  // namespace gan::cpu
