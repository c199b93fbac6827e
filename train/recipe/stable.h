// The stable recipe's networks and one training step. What happens when in a run: stable_recipe.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/replay.h"
#include "kernels/device.h"
#include "model/adam.h"
#include "model/discriminator.h"
#include "model/generator.h"
#include "train/recipe/coherence.h"
#include "train/recipe/network_norms.h"
#include "train/state/archive.h"

namespace gan {

enum class Adversary : uint8_t {
  paired,  // relativistic: each real photo above its own generated version
  bce,     // binary cross entropies, each photo for itself
  none,
};
const char* name_of(Adversary adversary);
// Throws UsageError for an unknown name.
Adversary adversary_named(const std::string& name);

// What keeps the discriminator smooth.
enum class Smoothness : uint8_t {
  penalty,   // on its gradients, R1 and R2
  spectral,  // weights with a normalized spectrum
  none,
};
// Throws UsageError for an unknown name.
Smoothness smoothness_named(const std::string& name);

struct StableSettings {
  Adversary adversary = Adversary::paired;
  Spectrum spectrum = Spectrum::free;  // of the discriminator; normalized: no penalties
  double label_smoothing = 0;          // bce: "real" is 1 - this
  double huber_beta = 0.02;            // of the chroma loss
  uint64_t seed = 1;
};

// What one step does, and how strongly.
struct StepPlan {
  bool train_generator = true;
  bool train_discriminator = false;
  double lr_generator = 1e-3, lr_discriminator = 2e-4;
  double moment_weight = 0, coherence_weight = 0;
  // |adversarial gradient| : |supervised gradient| at the generator's output; 0: none.
  double adversarial_ratio = 0;
  double r1_gamma = 0, r2_gamma = 0;  // penalties on real and generated photos
  double augment = 0;                 // probability of each change of what D sees
  bool look_inside = false;           // measure layers, too: StableGan::norms()
};

// What one step measured; what it did not do is 0.
struct StepReport {
  double chroma = 0, moments = 0, coherence = 0;  // supervised losses, unweighted
  double discriminator = 0, adversarial = 0;      // D's loss, G's
  double r1 = 0, r2 = 0;                          // mean over photos of |dD/d(chroma)|^2
  // Photos' mean logits. A photo is called real when it lies above the mean of all.
  double logit_real = 0, logit_fake = 0;
  double accuracy_real = 0, accuracy_fake = 0;
  double spread_real = 0, spread_fake = 0;  // standard deviations of the photos' logits
  double sign_real = 0;                     // mean over real photos of their logits' signs
  double accuracy_pairs = 0;                // share of the photos above their own generated version
  double adversarial_share = 0;   // |adversarial gradient| : |supervised gradient| before scaling
  double adversarial_weight = 0;  // the factor that brings it to adversarial_ratio
  bool finite = true;             // false: the step was not taken
};

// Layers of both networks at one step; empty for one that was not trained.
struct StableNorms {
  std::vector<LayerNorms> generator, discriminator;
};

// A generator with a chroma head, its discriminator and one training step. With y = the photo's
// luma and chroma at the head's resolution, c = its chroma, f = G(gray), D on luma and chroma:
//
//   D: mean log(1 + exp(D(f) - D(y))) + R1(y) + R2(f)          (paired)
//   G: chroma_loss(f, c) + moments(f, c) + coherence(f, c) + w * mean log(1 + exp(D(y) - D(f)))
//
// w follows the ratio of both parts' gradients at f. What D sees of y and f is augmented alike.
class StableGan {
 public:
  // Initialises both networks from the seed. The generator must not have memory yet.
  // `hue_weights`: {cells, cells}, row by row, for chroma_loss.
  StableGan(Device& device, Generator& generator, const std::vector<float>& hue_weights,
            const StableSettings& settings);

  // gray and color (ColorSpace::ycbcr): {N, 128, 128, 3}, of one type. Where losses are not finite the
  // weights of that network, and of the generator in any case, stay as they are.
  StepReport step(const Tensor& gray, const Tensor& color, const StepPlan& plan);

  // step() in its parts, for work that is recorded. prepare() is the host's part: it counts the step,
  // draws its random changes and sends the device what differs from step to step. compute() is the
  // device's: all decisions are taken there, and numbers() holds what read_report() turns into the
  // report. It is the same work as long as key() is the same.
  void prepare(const Shape& photos, const StepPlan& plan);
  void compute(const Tensor& gray, const Tensor& color, const StepPlan& plan);
  Replay::Key key(const StepPlan& plan) const;
  const Arena& generator_arena() const { return generator_tape_.arena(); }
  const Arena& discriminator_arena() const { return discriminator_tape_.arena(); }
  const Tensor& numbers() const { return numbers_; }
  StepReport read_report(const std::vector<float>& numbers, const StepPlan& plan) const;
  // What the last step whose plan asked to look inside found. Such a step asks the device and cannot be
  // recorded, nor can one with a normalized spectrum.
  const StableNorms& norms() const { return norms_; }
  bool can_be_recorded(const StepPlan& plan) const {
    return !plan.look_inside && settings_.spectrum == Spectrum::free;
  }
  // The discriminator's mean logit for photos as they are. color: as for step().
  double mean_logit(const Tensor& color);
  // After a replay: the host has not seen the weights change.
  void values_changed();

  uint64_t steps() const { return step_; }
  size_t peak_bytes() const {
    return generator_tape_.peak_bytes() + discriminator_tape_.peak_bytes();
  }
  PatchDiscriminator& discriminator() { return discriminator_; }

  // Both networks and their optimisers, to go back to.
  using Snapshot = TensorFile;
  Snapshot snapshot();
  void restore(const Snapshot& snapshot);
  // The same and the count of steps.
  void state(Archive& archive);

 private:
  Context context(Tape& tape);
  Tensor number(int64_t index, int64_t count = 1) const { return numbers_.channels(index, count); }
  void mean_square(Context& context, const Tensor& x, const Tensor& into);
  Shape head_shape(const Shape& photos) const;
  Tensor head_sized(const Tensor& color);
  void draw_warps(int64_t pictures, int64_t size, double probability);
  Variable& judge(Context& context, Variable& picture);
  void discriminator_gradients(const Tensor& real, const Tensor& fake, const StepPlan& plan);
  void adversarial_gradient(const Tensor& real, const Tensor& fake, Variable& chroma,
                            const UpdateControl* after);
  std::vector<LayerNorms> update(Adam& adam, const ParameterSet& parameters, const StepPlan& plan,
                                 const Tensor& numbers, const UpdateControl* after);
  void networks(Archive& archive);

  Device& device_;
  StableSettings settings_;
  Generator& generator_;
  PatchDiscriminator discriminator_;
  struct Prepare {
    Prepare(Memory& memory, uint64_t seed, ParameterSet& g, ParameterSet& d);
  } prepare_;
  Adam generator_adam_, discriminator_adam_;
  Tape generator_tape_, discriminator_tape_;
  GradientBalance* balance() const { return static_cast<GradientBalance*>(balance_memory_.data()); }

  Buffer weight_memory_, warp_memory_, number_memory_, balance_memory_;
  Tensor hue_weights_;
  CoherenceLoss coherence_;
  StableNorms norms_;
  Tensor numbers_;    // the present step's, then the logits of real and of generated photos
  Shape head_shape_;  // of the present step's pictures, as the discriminator sees them
  bool augmenting_ = false;
  uint64_t step_ = 0;
};

}  // namespace gan
