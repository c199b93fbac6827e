// The classic recipe over a whole run: when the discriminator rests, when it sees noise.
#pragma once

#include "train/recipe/recipe.h"

namespace gan {

std::unique_ptr<Recipe> make_classic_recipe(Device& device, const TrainSettings& settings,
                                            const PhotoSet& photos);

}  // namespace gan
