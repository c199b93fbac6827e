// The stable recipe over a whole run:
//
//   supervised   the generator alone; its learning rate is held, then falls
//   D alone      until the discriminator tells most pairs apart
//   joint        both; the adversarial gradient grows to its share of the supervised one
//
// with a moving average of the generator, an augmentation whose strength follows the
// discriminator's, and an autopilot (health.h).
#pragma once

#include "train/recipe/recipe.h"

namespace gan {

// Learning rates as factors of the highest, over the run's progress 0..1.
struct Schedule {
  double supervised = 0.6;  // share of the run before the discriminator comes in; 1: it never does
  bool anneal = true;

  double generator_lr(double progress) const;
  double discriminator_lr(double progress) const;
};

std::unique_ptr<Recipe> make_stable_recipe(Device& device, const TrainSettings& settings,
                                           const PhotoSet& photos, const PhotoSet& held_out);

}  // namespace gan
