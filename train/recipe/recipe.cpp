#include "train/recipe/recipe.h"

#include "engine/error.h"
#include "model/weights.h"
#include "model/widen.h"
#include "train/recipe/classic_recipe.h"
#include "train/recipe/stable_recipe.h"

namespace gan {

const std::vector<std::string>& recipe_names() {
  static const std::vector<std::string> names = {"stable", "classic"};
  return names;
}

void start_from(Generator& generator, const TrainSettings& settings) {
  if (settings.init.empty()) return;
  ParameterSet& parameters = generator.parameters();
  const TensorFile file =
      widened(parameters, read_tensor_file(settings.init), settings.init, settings.seed);
  load_parameters(parameters, "", file, settings.init);
}

std::unique_ptr<Recipe> make_recipe(Device& device, const TrainSettings& settings,
                                    const PhotoSet& photos, const PhotoSet& held_out) {
  if (settings.recipe == "stable") return make_stable_recipe(device, settings, photos, held_out);
  if (settings.recipe == "classic") return make_classic_recipe(device, settings, photos);
  throw UsageError(str("unknown recipe '", settings.recipe, "'; known recipes: stable, classic"));
}

}  // namespace gan
