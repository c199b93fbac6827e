#include "train/recipe/recipe.h"

#include <algorithm>

#include "engine/error.h"
#include "model/weights.h"
#include "model/widen.h"
#include "train/recipe/classic_recipe.h"
#include "train/recipe/reconstruction_recipe.h"
#include "train/recipe/stable_recipe.h"

namespace gan {
namespace {

// The recipes that train a model, its own first. Each model of the original has the loss that the
// original gave it.
std::vector<std::string> recipes_of(const std::string& model) {
  if (model == "gan") return {"stable", "classic"};
  if (model == "demo") return {"classic"};
  return {"reconstruction"};
}

}  // namespace

const std::vector<std::string>& recipe_names() {
  static const std::vector<std::string> names = {"stable", "classic", "reconstruction"};
  return names;
}

void start_from(Generator& generator, const TrainSettings& settings) {
  if (settings.init.empty()) return;
  ParameterSet& parameters = generator.parameters();
  const TensorFile file =
      widened(parameters, read_tensor_file(settings.init), settings.init, settings.seed);
  load_parameters(parameters, "", file, settings.init);
}

std::string default_recipe(const std::string& model) {
  return recipes_of(model).front();
}

void require_recipe(const std::string& recipe, const std::string& model) {
  const std::vector<std::string> possible = recipes_of(model);
  if (std::find(possible.begin(), possible.end(), recipe) != possible.end()) return;
  std::string known;
  for (const std::string& name : possible) known += (known.empty() ? "" : " or ") + name;
  throw UsageError(str("--model ", model, " is trained with --recipe ", known, ", not ", recipe,
                       ": leave --recipe out"));
}

std::unique_ptr<Recipe> make_recipe(Device& device, const TrainSettings& settings,
                                    const PhotoSet& photos, const PhotoSet& held_out) {
  require_recipe(settings.recipe, settings.model);
  if (settings.recipe == "stable") return make_stable_recipe(device, settings, photos, held_out);
  if (settings.recipe == "classic") return make_classic_recipe(device, settings, photos);
  return make_reconstruction_recipe(device, settings, photos);
}

}  // namespace gan
