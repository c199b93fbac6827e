#include "model/discriminator.h"

namespace gan {

using enum Activation;
using ops::Pooling;

ClassicDiscriminator::ClassicDiscriminator(float dropout)
    : l1_(parameters_, "l1.conv", kDown, 3, 32, leaky_relu, Pooling::average),
      l2_(parameters_, "l2", kSame, 32, 64, leaky_relu, {dropout, Pooling::average}),
      l3_(parameters_, "l3", kSame, 64, 128, leaky_relu, {dropout}),
      l4_(parameters_, "l4", kSame, 128, 256, leaky_relu, {dropout}),
      fc_(parameters_, "fc", kSize / 8, kSize / 8, 256, 1) {}

Variable& ClassicDiscriminator::forward(Context& context, Variable& photo) {
  Variable& a = l1_(context, photo);  // 32x32x32
  Variable& b = l2_(context, a);      // 16x16x64
  Variable& c = l3_(context, b);      // 16x16x128
  Variable& d = l4_(context, c);      // 16x16x256
  return fc_(context, d);             // 1
}

PatchDiscriminator::PatchDiscriminator(Spectrum spectrum) {
  layers_.reserve(5);
  const auto add = [&](const char* name, int64_t in, int64_t out, Activation act, Pooling pooling) {
    layers_.emplace_back(parameters_, name, kSame, in, out, act, pooling, spectrum);
  };
  add("l1", 3, 32, leaky_relu, Pooling::average);       // 32x32x32
  add("l2", 32, 64, leaky_relu, Pooling::average);      // 16x16x64
  add("l3", 64, 128, leaky_relu, Pooling::average);     // 8x8x128
  add("l4", 128, 256, leaky_relu, Pooling::none);       // 8x8x256
  add("out", 256, 1, Activation::none, Pooling::none);  // 8x8x1
}

Variable& PatchDiscriminator::forward(Context& context, Variable& photo) {
  Variable* x = &photo;
  for (PlainConv& layer : layers_) x = &layer(context, *x);
  return *x;
}

Tensor PatchDiscriminator::penalty(Context& context, const Tensor& photo, float gamma,
                                   const Tensor& into) {
  std::vector<ops::ChainStage> chain;
  for (const PlainConv& layer : layers_) chain.push_back(layer.stage());
  return ops::gradient_penalty(context, chain, photo, {.first = 1, .count = 2}, gamma, into);
}

}  // namespace gan
