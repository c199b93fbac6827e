// The recipe of the original's autoencoders and U-Net, and the networks that it trains.
#include <catch2/catch.hpp>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "kernels/device.h"
#include "model/generator.h"
#include "tests/training_check.h"
#include "train/recipe/recipe.h"
#include "train/recipe/reconstruction.h"

namespace gan {
namespace {

const std::vector<std::string> kModels = {"autoencoder5", "autoencoder7", "autoencoder7-leaky",
                                          "autoencoder9-skip", "unet"};

struct SmallTraining {
  SmallTraining(const std::string& model, const std::string& backend, DType dtype = DType::f32,
                const ReconstructionSettings& settings = {})
      : device(open_device({.backend = backend})),
        generator(make_generator(model, 4)),
        training(device, *generator, settings, dtype) {}

  double step(const TrainingPhotos& photos) {
    training.prepare();
    training.compute(photos.gray, photos.color);
    return to_host_f64(device.memory, training.loss())[0];
  }
  std::vector<double> learned() const {
    return to_host_f64(device.memory, generator->parameters().values());
  }

  Device device;
  std::unique_ptr<Generator> generator;
  Reconstruction training;
};

}  // namespace

TEST_CASE("gradients of whole autoencoders equal central differences", "[train][gradient]") {
  const std::string model = GENERATE(from_range(kModels));
  CAPTURE(model);
  SmallTraining small(model, "reference", DType::f64);
  const TrainingPhotos photos(small.device.memory, 1, DType::f64,
                              small.generator->size_multiple() == 128 ? 128 : 32);
  ParameterSet& parameters = small.generator->parameters();
  const double error = directional_error(parameters, 1, [&] {
    parameters.forget_gradients();
    small.training.gradients(photos.gray, photos.color);
    return to_host_f64(small.device.memory, small.training.loss())[0];
  });
  CHECK(error < 1e-6);
}

TEST_CASE("every autoencoder learns, the same way every time", "[train]") {
  const std::string model = GENERATE(from_range(kModels));
  CAPTURE(model);
  std::vector<std::vector<double>> trained;
  for (int run = 0; run < 2; ++run) {
    SmallTraining small(model, "auto");
    const TrainingPhotos photos(small.device.memory, 2);
    const double before = small.step(photos);
    double after = before;
    for (int i = 0; i < 20; ++i) after = small.step(photos);
    CHECK(after < 0.9 * before);
    CHECK(small.training.steps() == 21);
    trained.push_back(small.learned());
  }
  const bool same = trained[0] == trained[1];
  CHECK(same);
}

TEST_CASE("a loss that is not finite changes no weights", "[train]") {
  SmallTraining small("autoencoder5", "auto");
  const TrainingPhotos photos(small.device.memory, 1);
  const TrainingPhotos broken(small.device.memory, 1);
  const std::vector<float> bad(static_cast<size_t>(broken.color.elements()),
                               std::numeric_limits<float>::infinity());
  from_host(small.device.memory, broken.color, bad.data());
  small.step(photos);
  const std::vector<double> before = small.learned();
  small.step(broken);
  const bool same = small.learned() == before;
  CHECK(same);
}

TEST_CASE("each model has its recipe, and others are refused with the right one", "[train]") {
  CHECK(default_recipe("gan") == "stable");
  CHECK(default_recipe("demo") == "classic");
  for (const std::string& model : kModels) {
    CHECK(default_recipe(model) == "reconstruction");
    CHECK_THROWS_WITH(require_recipe("classic", model),
                      Catch::Contains(model) && Catch::Contains("--recipe reconstruction"));
  }
  for (const std::string& model : generator_models()) require_recipe(default_recipe(model), model);
  require_recipe("classic", "gan");
  CHECK_THROWS_AS(require_recipe("reconstruction", "gan"), UsageError);
  CHECK_THROWS_AS(require_recipe("stable", "demo"), UsageError);
}

}  // namespace gan
