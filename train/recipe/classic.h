// The classic recipe: the original's adversarial training, step by step.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/replay.h"
#include "kernels/device.h"
#include "model/adam.h"
#include "model/discriminator.h"
#include "model/generator.h"
#include "train/state/archive.h"

namespace gan {

struct ClassicSettings {
  double lr_generator = 2e-4;
  double lr_discriminator = 1e-4;
  double beta1 = 0.5, beta2 = 0.999, adam_eps = 1e-8;
  double l1_weight = 75;
  double dropout = 0.3;
  uint64_t seed = 1;
};

// Mean binary cross entropies of the discriminator's answers.
struct DiscriminatorLosses {
  double real = 0, fake = 0, noise = 0;
  double sum() const { return real + fake + noise; }
};

struct GeneratorLosses {
  double adversarial = 0;  // binary cross entropy of D(G(x)) against "real"
  double l1 = 0;           // mean absolute error, unweighted
};

// A generator, its discriminator and one training step, in its parts:
//
//   f = G(x)                                               generate()
//   D: BCE(D(y), 1) + BCE(D(f), 0) [+ BCE(D(noise), 0)]    discriminator_gradients(), an update
//   G: BCE(D(f), 1) + l1_weight * L1(f, y), updated D      generator_gradients(), an update
class ClassicGan {
 public:
  // Initialises both networks from the seed. The generator must not have memory yet. `dtype` is that
  // of pictures; parameters are ops::statistics_type(dtype).
  ClassicGan(Device& device, Generator& generator, const ClassicSettings& settings,
             DType dtype = DType::f32);

  // Begins a step: forgets the last one's tensors, runs the generator on gray photos {N, 128, 128,
  // 3} in training mode.
  Variable& generate(const Tensor& gray);

  struct DiscriminatorPass {
    Tensor logits_real, logits_fake;  // valid until the next pass through the discriminator
    DiscriminatorLosses losses;
  };
  // Gradients of the discriminator's loss, left in its parameters. `fake` is taken as a constant.
  DiscriminatorPass discriminator_gradients(const Tensor& real, const Tensor& fake,
                                            bool with_noise);
  void update_discriminator() { discriminator_adam_.update(device_.kernels); }

  struct GeneratorPass {
    Tensor logits_fake;
    GeneratorLosses losses;
  };
  // Gradients of the generator's loss, left in its parameters; the discriminator's stay untouched.
  // `fake` is what generate() returned for this step, `real` the true photos.
  GeneratorPass generator_gradients(Variable& fake, const Tensor& real);
  void update_generator() { generator_adam_.update(device_.kernels); }

  struct StepPlan {
    bool train_discriminator = true;
    bool noise = false;  // show it uniform noise as a third kind of picture
  };
  struct StepLosses {
    DiscriminatorLosses discriminator;  // zero when it was not trained
    GeneratorLosses generator;
  };
  // All of the above. Where losses are not finite the update is not taken, nor the generator's after
  // one of the discriminator that was not.
  StepLosses step(const Tensor& gray, const Tensor& real, const StepPlan& plan);

  // step() in its parts, for work that is recorded: prepare() is the host's, compute() the device's,
  // the same as long as key() is the same; numbers() then holds what read_losses() turns into the
  // losses.
  void prepare();
  void compute(const Tensor& gray, const Tensor& real, const StepPlan& plan);
  static Replay::Key key(const StepPlan& plan, int64_t pictures);
  const Arena& generator_arena() const { return generator_tape_.arena(); }
  const Arena& discriminator_arena() const { return discriminator_tape_.arena(); }
  const Tensor& numbers() const { return numbers_; }
  template <class T>
  static StepLosses read_losses(const std::vector<T>& numbers, const StepPlan& plan);
  // After a replay: the host has not seen the weights change.
  void values_changed();

  // Logits of photos {N, 128, 128, 3} in inference mode.
  std::vector<float> judge(const Tensor& photos);

  Generator& generator() { return generator_; }
  ClassicDiscriminator& discriminator() { return discriminator_; }
  uint64_t steps() const { return step_; }
  // On both learning rates, from the next update on.
  void scale_learning_rates(double factor);

  // Both networks and their optimisers, to go back to.
  using Snapshot = TensorFile;
  Snapshot snapshot();
  void restore(const Snapshot& snapshot);
  // The same and the count of steps.
  void state(Archive& archive);
  size_t peak_bytes() const {
    return generator_tape_.peak_bytes() + discriminator_tape_.peak_bytes();
  }

 private:
  void networks(Archive& archive);
  Context context(Tape& tape, bool training);
  Tensor number(int64_t index) const { return numbers_.channels(index, 1); }
  StepLosses read(const StepPlan& plan) const;
  Variable& run_generator(const Tensor& gray);
  DiscriminatorPass run_discriminator(const Tensor& real, const Tensor& fake, bool with_noise);
  GeneratorPass run_adversary(Variable& fake, const Tensor& real);

  Device& device_;
  ClassicSettings settings_;
  DType dtype_;
  Generator& generator_;
  ClassicDiscriminator discriminator_;
  // Both networks hold their memory before their optimisers are made.
  struct Prepare {
    Prepare(Memory& memory, DType dtype, uint64_t seed, ParameterSet& g, ParameterSet& d);
  } prepare_;
  Adam generator_adam_, discriminator_adam_;
  Tape generator_tape_, discriminator_tape_, judge_tape_;
  Buffer device_step_, number_memory_;
  Tensor numbers_;  // the present step's losses
  uint64_t step_ = 0;
  uint32_t random_stream_ = 0;  // random operations of this step so far
};

}  // namespace gan
