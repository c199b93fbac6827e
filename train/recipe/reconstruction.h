// The recipe of the original's autoencoders and its U-Net, step by step: the mean squared error of
// red, green and blue, and nothing else.
#pragma once

#include <cstdint>

#include "kernels/device.h"
#include "model/adam.h"
#include "model/generator.h"
#include "train/state/archive.h"

namespace gan {

struct ReconstructionSettings {
  double lr_generator = 1e-3;
  double beta1 = 0.9, beta2 = 0.999, adam_eps = 1e-8;
  uint64_t seed = 1;
};

// A generator with an RGB head and one training step: f = G(x), an Adam step on mean (f - y)^2.
class Reconstruction {
 public:
  // Initialises the network from the seed. The generator must not have memory yet. `dtype` is that of
  // pictures; parameters are ops::statistics_type(dtype).
  Reconstruction(Device& device, Generator& generator, const ReconstructionSettings& settings,
                 DType dtype = DType::f32);

  // Leaves the gradients of the loss in the generator's parameters. gray, real: {N, H, W, 3}.
  void gradients(const Tensor& gray, const Tensor& real);
  // The present step's mean squared error, one number in the device's memory.
  const Tensor& loss() const { return loss_; }

  // A step in its parts, for work that is recorded: prepare() is the host's, compute() the device's,
  // the same for batches of one size. Where the loss is not finite the weights stay as they are.
  void prepare() { ++step_; }
  void compute(const Tensor& gray, const Tensor& real);
  // After a replay: the host has not seen the weights change.
  void values_changed() { generator_.parameters().values_changed(); }

  uint64_t steps() const { return step_; }
  Generator& generator() { return generator_; }
  const Arena& arena() const { return tape_.arena(); }
  // From the next step on, relative to the settings'.
  void scale_learning_rate(double factor) {
    adam_.set_learning_rate(factor * settings_.lr_generator);
  }

  // The network and its optimiser, to go back to.
  using Snapshot = TensorFile;
  Snapshot snapshot();
  void restore(const Snapshot& snapshot);
  // The same and the count of steps.
  void state(Archive& archive);
  size_t peak_bytes() const { return tape_.peak_bytes(); }

 private:
  void network(Archive& archive);

  Device& device_;
  Generator& generator_;
  ReconstructionSettings settings_;
  // The network holds its memory before its optimiser is made.
  struct Prepare {
    Prepare(Memory& memory, DType dtype, uint64_t seed, ParameterSet& parameters);
  } prepare_;
  Adam adam_;
  Tape tape_;
  Buffer loss_memory_;
  Tensor loss_;
  uint64_t step_ = 0;
};

}  // namespace gan
