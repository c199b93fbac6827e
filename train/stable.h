// The stable recipe's networks and one training step. What happens when in a run: stable_recipe.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/device.h"
#include "model/adam.h"
#include "model/discriminator.h"
#include "model/generator.h"
#include "train/archive.h"
#include "train/coherence.h"
#include "train/network_norms.h"

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
  bool look_inside = false;           // measure layers, too
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
  // Only where the plan asks to look inside.
  std::vector<LayerNorms> generator_norms, discriminator_norms;
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

  // gray and color (ColorSpace::ycbcr): {N, 128, 128, 3}. Where losses are not finite the weights of
  // that network, and of the generator in any case, stay as they are.
  StepReport step(const Tensor& gray, const Tensor& color, const StepPlan& plan);

  // The discriminator's mean logit for photos as they are. color: as for step().
  double mean_logit(const Tensor& color);

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
  double read(const Tensor& scalar) const;
  double mean_square(Context& context, const Tensor& x);
  Tensor head_sized(const Tensor& color);
  void draw_warps(int64_t pictures, int64_t size, double probability);
  Variable& judge(Context& context, Variable& picture);
  void discriminator_gradients(const Tensor& real, const Tensor& fake, const StepPlan& plan,
                               StepReport& report);
  void compare(const Tensor& real_logits, const Tensor& fake_logits, StepReport& report) const;
  void adversarial_gradient(const Tensor& real, const Tensor& fake, Variable& chroma,
                            const StepPlan& plan, StepReport& report);
  std::vector<LayerNorms> update(Adam& adam, ParameterSet& parameters, double learning_rate,
                                 const StepPlan& plan);
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
  Buffer weight_memory_, warp_memory_;
  Tensor hue_weights_;
  CoherenceLoss coherence_;
  bool augmenting_ = false;
  double smooth_share_ = 0;  // moving average of adversarial_share
  uint64_t step_ = 0;
};

}  // namespace gan
