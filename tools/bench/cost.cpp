#include "tools/bench/cost.h"

#include "model/discriminator.h"

namespace gan::bench {
namespace {

constexpr double kTaps = 9;  // all convolutions are 3x3

// `extent`: side of the smaller of a layer's two pictures, each pixel of which meets every tap.
double conv(double extent, double in, double out) {
  return extent * extent * kTaps * in * out;
}

}  // namespace

Cost generator_cost(double w, double size) {
  const double half = size / 2, quarter = size / 4, eighth = size / 8;
  Cost cost;
  cost.first_layer = conv(half, 3, w);                      // enc1
  cost.forward = cost.first_layer + conv(half, w, 2 * w) +  // enc2
                 conv(quarter, 2 * w, 2 * w) +              // enc3
                 conv(quarter, 2 * w, 4 * w) +              // enc4
                 conv(eighth, 4 * w, 8 * w) +               // enc5
                 conv(eighth, 8 * w, 4 * w) +               // dec1
                 conv(quarter, 8 * w, 2 * w) +              // dec2
                 conv(half, 4 * w, w) +                     // dec3
                 conv(size, w, 3);                          // out
  return cost;
}

Cost discriminator_cost() {
  const double size = ClassicDiscriminator::kSize;
  Cost cost;
  cost.first_layer = conv(size / 2, 3, 32);                   // l1
  cost.forward = cost.first_layer + conv(size / 4, 32, 64) +  // l2
                 conv(size / 8, 64, 128) +                    // l3
                 conv(size / 8, 128, 256) +                   // l4
                 size / 8 * size / 8 * 256;                   // fc
  return cost;
}

double inference_flop(int width, int size) {
  return 2 * generator_cost(width, size).forward;
}

double forward_backward_flop(int width, int size) {
  const Cost g = generator_cost(width, size);
  return 2 * (g.forward + g.weight_gradient() + g.data_gradient(false));
}

double classic_step_flop(int width) {
  const Cost d = discriminator_cost();
  const double on_photos = d.forward + d.weight_gradient() + d.data_gradient(false);
  const double for_generator = d.forward + d.data_gradient(true);
  return forward_backward_flop(width, ClassicDiscriminator::kSize) +
         2 * (2 * on_photos + for_generator);
}

}  // namespace gan::bench
