// The recipe of the original's autoencoders and its U-Net over a whole run.
#pragma once

#include "train/recipe/recipe.h"

namespace gan {

std::unique_ptr<Recipe> make_reconstruction_recipe(Device& device, const TrainSettings& settings,
                                                   const PhotoSet& photos);

}  // namespace gan
