// How much arithmetic the networks take, counted from their layer tables.
#pragma once

namespace gan::bench {

// Multiply-adds of convolutions and linear layers for one photo. The rest of a network is less
// than 1 % of that, and bound by memory.
struct Cost {
  double forward = 0;      // as much again for the gradient of the weights
  double first_layer = 0;  // part of `forward`; has no data gradient in the generator
  // Both networks' gradients: of the weights, and of the data down to the first layer's input.
  double weight_gradient() const { return forward; }
  double data_gradient(bool down_to_the_input) const {
    return down_to_the_input ? forward : forward - first_layer;
  }
};

Cost generator_cost(double width, double size);
Cost discriminator_cost();

// Floating-point operations for one photo: two a multiply-add.
double inference_flop(int width, int size);
double forward_backward_flop(int width, int size);
// One step of the classic recipe: f = G(x); D on real and false photos with all its gradients; D on
// f again, its gradient with respect to f; the gradients of G.
double classic_step_flop(int width);

// Steps of the stable recipe, whose chroma is predicted at half of `size`: supervised, and with the
// discriminator, without or with both of its gradient penalties (a forward, a backward and a
// tangent pass and one weight gradient each).
double stable_supervised_flop(int width, int size);
double stable_joint_flop(int width, int size, bool penalties);

}  // namespace gan::bench
