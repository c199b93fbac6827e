#include "train/recipe/recipe.h"

#include "engine/error.h"
#include "train/recipe/classic_recipe.h"
#include "train/recipe/stable_recipe.h"

namespace gan {

const std::vector<std::string>& recipe_names() {
  static const std::vector<std::string> names = {"stable", "classic"};
  return names;
}

std::unique_ptr<Recipe> make_recipe(Device& device, const TrainSettings& settings,
                                    const PhotoSet& photos, const PhotoSet& held_out) {
  if (settings.recipe == "stable") return make_stable_recipe(device, settings, photos, held_out);
  if (settings.recipe == "classic") return make_classic_recipe(device, settings, photos);
  throw UsageError(str("unknown recipe '", settings.recipe, "'; known recipes: stable, classic"));
}

}  // namespace gan
