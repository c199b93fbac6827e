#include "model/discriminator.h"

namespace gan {

using enum Activation;

ClassicDiscriminator::ClassicDiscriminator(float dropout)
    : dropout_(dropout),
      l1_(parameters_, "l1.conv", kDown, 3, 32, leaky_relu),
      l2_(parameters_, "l2", kSame, 32, 64, leaky_relu),
      l3_(parameters_, "l3", kSame, 64, 128, leaky_relu),
      l4_(parameters_, "l4", kSame, 128, 256, leaky_relu),
      fc_(parameters_, "fc", kSize / 8, kSize / 8, 256, 1) {}

Variable& ClassicDiscriminator::forward(Context& context, Variable& photo) {
  using namespace ops;
  Variable& a = avg_pool(context, l1_(context, photo));                          // 32x32x32
  Variable& b = avg_pool(context, dropout(context, dropout_, l2_(context, a)));  // 16x16x64
  Variable& c = dropout(context, dropout_, l3_(context, b));                     // 16x16x128
  Variable& d = dropout(context, dropout_, l4_(context, c));                     // 16x16x256
  return fc_(context, d);                                                        // 1
}

}  // namespace gan
