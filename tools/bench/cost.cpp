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

namespace {

Cost chroma_generator_cost(double w, double size) {
  const double half = size / 2, quarter = size / 4, eighth = size / 8;
  Cost cost;
  cost.first_layer = conv(half, 3, w);                      // enc1
  cost.forward = cost.first_layer + conv(half, w, 2 * w) +  // enc2
                 conv(quarter, 2 * w, 2 * w) +              // enc3
                 conv(quarter, 2 * w, 4 * w) +              // enc4
                 conv(eighth, 4 * w, 8 * w) +               // enc5
                 conv(size / 16, 8 * w, 4 * w) +            // ctx1
                 2 * conv(size / 32, 4 * w, 4 * w) +        // ctx2, ctx3
                 conv(eighth, 12 * w, 4 * w) +              // dec1
                 conv(quarter, 8 * w, 2 * w) +              // dec2
                 conv(half, 4 * w, w) + conv(half, w, 2);   // dec3, out
  return cost;
}

Cost patch_discriminator_cost(double size) {
  Cost cost;
  cost.first_layer = conv(size, 3, 32);                       // l1
  cost.forward = cost.first_layer + conv(size / 2, 32, 64) +  // l2
                 conv(size / 4, 64, 128) +                    // l3
                 conv(size / 8, 128, 256) +                   // l4
                 conv(size / 8, 256, 1);                      // out
  return cost;
}

}  // namespace

double stable_supervised_flop(int width, int size) {
  const Cost g = chroma_generator_cost(width, size);
  return 2 * (g.forward + g.weight_gradient() + g.data_gradient(false));
}

double stable_joint_flop(int width, int size, bool penalties) {
  const Cost d = patch_discriminator_cost(size / 2.0);
  const double update = 2 * (d.forward + d.weight_gradient() + d.data_gradient(false));
  const double for_generator = 2 * d.forward + d.data_gradient(true);
  const double penalty = 2 * d.forward + d.data_gradient(true) + d.weight_gradient();
  return stable_supervised_flop(width, size) +
         2 * (update + for_generator + (penalties ? 2 * penalty : 0));
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
