// Networks that judge whether a coloured photo is real.
#pragma once

#include <vector>

#include "kernels/gradient_penalty.h"
#include "model/layers.h"

namespace gan {

// The original's discriminator: one logit a photo; the sigmoid lives in the loss.
class ClassicDiscriminator {
 public:
  static constexpr int kSize = 128;  // its fully connected layer fixes the size of the photos

  explicit ClassicDiscriminator(float dropout);

  // photo: RGB in 0..1, {N, 128, 128, 3}. Returns logits, {N, 1, 1, 1}.
  Variable& forward(Context& context, Variable& photo);

  ParameterSet& parameters() { return parameters_; }

 private:
  ParameterSet parameters_;
  PlainConv l1_;
  ConvBlock l2_, l3_, l4_;
  Linear fc_;
};

// The stable recipe's discriminator: judges chroma together with the luma it belongs to, in patches
// of 54 x 54 pixels, so whole flowers. Convolutions, LeakyReLU and average pooling only: it is
// piecewise linear, which makes its gradient penalty exact and cheap, and nothing in it looks at
// the rest of the batch.
class PatchDiscriminator {
 public:
  explicit PatchDiscriminator(Spectrum spectrum = Spectrum::free);

  // How many logits forward() returns for a picture.
  static int64_t logits(int64_t h, int64_t w) { return h / 8 * (w / 8); }

  // photo: Y in 0..1, Cb and Cr in -1..1, {N, H, W, 3}, H and W multiples of 8. Returns logits,
  // {N, H/8, W/8, 1}: for 64 x 64 as many as the squares of a chess board.
  Variable& forward(Context& context, Variable& photo);

  // Adds the gradient of gamma/2 * mean over photos of |d(mean logit)/d(Cb, Cr)|^2 to the
  // parameters' and returns the mean of squares, in `into` or fresh memory (see gradient_penalty).
  // The luma is left out: it is the same in real and generated photos. Not with a normalized
  // spectrum.
  Tensor penalty(Context& context, const Tensor& photo, float gamma, const Tensor& into = {});

  ParameterSet& parameters() { return parameters_; }
  const ParameterSet& parameters() const { return parameters_; }

 private:
  ParameterSet parameters_;
  std::vector<PlainConv> layers_;
};

}  // namespace gan
