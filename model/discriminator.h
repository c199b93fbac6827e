// Networks that judge whether a coloured photo is real.
#pragma once

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
  float dropout_;
  ParameterSet parameters_;
  PlainConv l1_;
  ConvBlock l2_, l3_, l4_;
  Linear fc_;
};

}  // namespace gan
