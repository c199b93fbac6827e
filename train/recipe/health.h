// Is the adversarial game still a game? Signals of a training run's health, what they mean, and what
// is done about it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/state/archive.h"

namespace gan {

// Measured at the end of an epoch in which the discriminator took part.
struct Signals {
  int epoch = 0;
  bool generator_trained = true;  // against the discriminator
  // Of the discriminator, means over the epoch. Balanced accuracy is the mean of the two.
  double accuracy_real = 0.5, accuracy_fake = 0.5;
  double sign_real = 0;  // mean sign of real photos' logits; 0 where logits have no zero (paired)
  // |adversarial gradient| : |supervised gradient| at the generator's output, unscaled.
  double adversarial_share = 1;
  // Of the generator, on validation photos.
  double colorfulness_ratio = 1;
  double entropy_ratio = 1, variety_ratio = 1;  // as in MetricsSummary; NaN counts as healthy
  double bias_a = 0, bias_b = 0;
  double ciede2000 = 0;
  double train_loss = 0;

  double balanced_accuracy() const { return (accuracy_real + accuracy_fake) / 2; }
};

// What the autopilot turns. Factors on what the settings say.
struct Knobs {
  double gamma = 1;  // of both gradient penalties
  double lr_discriminator = 1;
  double adversarial_ratio = 1;
  double moments = 1;         // of the moment loss
  double augment_offset = 0;  // added to the augmentation's probability

  void state(Archive& archive);
};

enum class HealthState : uint8_t {
  d_dominating,
  d_won,
  d_blind,
  color_collapse,
  tint_drift,
  overfit,
  numerics,
};
const char* name_of(HealthState state);
// Who is ahead, in words: "balanced", "D ahead", "G ahead", by the mean of the discriminator's
// accuracies on real and on generated photos. "" without numbers.
const char* name_of_game(double accuracy_real, double accuracy_fake);

struct HealthEvent {
  HealthState state;
  std::string text;                 // what was seen and what was done, one sentence
  bool restore = false;             // go back to the last healthy networks
  bool ramp_again = false;          // let the adversarial gradient grow anew from nothing
  bool discriminator_only = false;  // for one epoch
  bool stop = false;                // end the run: more training makes it worse
};

// What a run has that the autopilot can turn; the rest it neither turns nor speaks of.
struct Means {
  bool penalty = true;       // on the discriminator's gradients
  bool augmentation = true;  // of what the discriminator sees
  bool moments = true;       // the moment loss
};

// Watches epoch after epoch. The tests and responses are those of the project's study of GAN
// stability, each with the number that makes it fire as a constant beside it (health.cpp).
class Autopilot {
 public:
  explicit Autopilot(const Means& means = {}) : means_(means) {}

  // What is wrong after this epoch; turns `knobs`. Empty: all is well.
  std::vector<HealthEvent> observe(const Signals& signals, Knobs& knobs);
  // After an epoch without the discriminator: what colours there are, which it must not lose.
  void remember_colors(const Signals& signals);

  void state(Archive& archive);

 private:
  std::string lost_colors(const Signals& signals) const;
  void keep_best_colors(const Signals& signals);

  Means means_;
  int won_epochs_ = 0, won_times_ = 0, blind_epochs_ = 0, drift_epochs_ = 0, worse_epochs_ = 0;
  double last_bias_ = 0, best_ciede_ = 0, last_train_loss_ = 0;
  double best_colorfulness_ = 0, best_entropy_ = 0, best_variety_ = 0;
};

}  // namespace gan
