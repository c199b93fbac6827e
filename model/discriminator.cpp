#include "model/discriminator.h"

namespace gan {

using enum Activation;

ClassicDiscriminator::ClassicDiscriminator(float dropout)
    : l1_(parameters_, "l1.conv", kDown, 3, 32, leaky_relu),
      l2_(parameters_, "l2", kSame, 32, 64, leaky_relu, dropout),
      l3_(parameters_, "l3", kSame, 64, 128, leaky_relu, dropout),
      l4_(parameters_, "l4", kSame, 128, 256, leaky_relu, dropout),
      fc_(parameters_, "fc", kSize / 8, kSize / 8, 256, 1) {}

Variable& ClassicDiscriminator::forward(Context& context, Variable& photo) {
  using ops::avg_pool;
  Variable& a = avg_pool(context, l1_(context, photo));  // 32x32x32
  Variable& b = avg_pool(context, l2_(context, a));      // 16x16x64
  Variable& c = l3_(context, b);                         // 16x16x128
  Variable& d = l4_(context, c);                         // 16x16x256
  return fc_(context, d);                                // 1
}

PatchDiscriminator::PatchDiscriminator(Spectrum spectrum) {
  layers_.reserve(5);
  const auto add = [&](const char* name, int64_t in, int64_t out, Activation act) {
    layers_.emplace_back(parameters_, name, kSame, in, out, act, spectrum);
  };
  add("l1", 3, 32, leaky_relu);
  add("l2", 32, 64, leaky_relu);
  add("l3", 64, 128, leaky_relu);
  add("l4", 128, 256, leaky_relu);
  add("out", 256, 1, none);
}

Variable& PatchDiscriminator::forward(Context& context, Variable& photo) {
  using ops::avg_pool;
  Variable& a = avg_pool(context, layers_[0](context, photo));  // 32x32x32
  Variable& b = avg_pool(context, layers_[1](context, a));      // 16x16x64
  Variable& c = avg_pool(context, layers_[2](context, b));      // 8x8x128
  Variable& d = layers_[3](context, c);                         // 8x8x256
  return layers_[4](context, d);                                // 8x8x1
}

Tensor PatchDiscriminator::penalty(Context& context, const Tensor& photo, float gamma,
                                   const Tensor& into) {
  std::vector<ops::ChainStage> chain;
  for (size_t i = 0; i < layers_.size(); ++i) {
    chain.push_back(layers_[i].stage());
    chain.back().pool = i < 3;
  }
  return ops::gradient_penalty(context, chain, photo, {.first = 1, .count = 2}, gamma, into);
}

}  // namespace gan
