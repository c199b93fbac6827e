// A loss on how chroma changes from pixel to pixel. Losses of single pixels choose each pixel's
// likeliest colour for itself, and a petal whose two halves lean towards two colours comes out in
// both. Here that costs something along the whole border between them, where the truth has none.
#pragma once

#include "engine/memory.h"
#include "kernels/ops.h"

namespace gan {

class CoherenceLoss {
 public:
  // `dtype`: that of the chroma.
  explicit CoherenceLoss(Memory& memory, DType dtype = DType::f32);

  // weight * the mean over three scales s (1, 2 and 4 pixels, by averaging) of
  // mean |d_s(chroma) - d_s(truth)|, d_s: differences to the right and the lower neighbour.
  // chroma, truth: {N, H, W, 2} in -1..1, H and W multiples of 8. Outside of the picture chroma is 0
  // in both. `into` receives the unweighted number.
  void operator()(Context& context, Variable& chroma, const Tensor& truth, float weight,
                  const Tensor& into) const;

 private:
  Buffer memory_;
  Tensor kernel_, no_bias_;
  uint64_t version_ = next_version();  // of the kernel, which never changes
};

}  // namespace gan
