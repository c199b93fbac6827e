// gan_train DATA: trains a generator on a folder of colour photos.
#include <algorithm>
#include <iostream>
#include <vector>

#include "engine/error.h"
#include "engine/parallel.h"
#include "engine/progress.h"
#include "model/weights.h"
#include "tools/cli.h"
#include "tools/version.h"
#include "train/color/colorizer.h"
#include "train/data/dataset.h"
#include "train/recipe/recipe.h"
#include "train/run/trainer.h"

namespace {

void add_stable_options(CLI::App& app, gan::TrainSettings& settings) {
  const auto add = [&](const char* name, auto& value, const char* text) {
    return app.add_option(name, value, text)->group("Recipe stable");
  };
  const auto switch_off = [&](const char* name, bool& value, const char* text) {
    app.add_flag_callback(
           name, [&value] { value = false; }, text)
        ->group("Recipe stable");
  };
  add("--head", settings.head, "Resolution of the predicted chroma for 128 pixels: 64 or 128")
      ->check(CLI::IsMember({64, 128}));
  add("--supervised", settings.supervised, "Share of the run before the discriminator comes in")
      ->check(CLI::Range(0.0, 1.0));
  add("--adv", settings.adversary, "Adversarial loss: paired relativistic, bce, or none")
      ->check(CLI::IsMember({"paired", "bce", "none"}));
  add("--adv-ratio", settings.adversarial_ratio,
      "Adversarial gradient at the generator's output, relative to the supervised one")
      ->check(CLI::Range(0.0, 100.0));
  add("--dreg", settings.smoothness,
      "What keeps the discriminator smooth: penalty (see --r1, --r2), spectral norm, or none")
      ->check(CLI::IsMember({"penalty", "spectral", "none"}));
  add("--r1", settings.r1_gamma, "Gradient penalty on real photos; 0: none")
      ->check(CLI::Range(0.0, 1e6));
  add("--r2", settings.r2_gamma, "Gradient penalty on generated photos; 0: none")
      ->check(CLI::Range(0.0, 1e6));
  add("--penalty-every", settings.penalty_every,
      "Steps from one gradient penalty to the next; it counts as much as they all together")
      ->check(CLI::Range(1, 1000));
  add("--label-smoothing", settings.label_smoothing, "With --adv bce: real counts as 1 - this")
      ->check(CLI::Range(0.0, 0.5));
  add("--moments", settings.moment_weight,
      "Weight of the distance between means and spreads of chroma; 0: none")
      ->check(CLI::Range(0.0, 1e6));
  add("--coherence", settings.coherence_weight,
      "Weight of the difference between chroma's changes from pixel to pixel; 0: none")
      ->check(CLI::Range(0.0, 1e6));
  switch_off("--no-balance", settings.balance_hues, "Let every colour count alike");
  switch_off("--no-move", settings.move_photos, "Neither move nor mirror training photos");
  switch_off("--no-augment", settings.augment, "Show the discriminator unchanged photos");
  switch_off("--no-ema", settings.ema, "Keep the generator itself, not its moving average");
  switch_off("--no-anneal", settings.anneal, "Hold the learning rates");
  switch_off("--no-autopilot", settings.autopilot, "Do not answer signs of bad health");
}

void add_classic_options(CLI::App& app, gan::TrainSettings& settings) {
  const auto add = [&](const char* name, auto& value, const char* text) {
    return app.add_option(name, value, text)->group("Recipe classic");
  };
  add("--l1", settings.l1_weight, "Weight of the L1 loss beside the adversarial one")
      ->check(CLI::Range(0.0, 1e6));
  add("--d-accuracy-limit", settings.d_accuracy_limit,
      "The discriminator rests for an epoch when its accuracy was above this")
      ->check(CLI::Range(0.0, 1.0));
  add("--noise-every", settings.noise_every,
      "Show the discriminator pure noise every so many epochs; 0: never")
      ->check(CLI::Range(0, 1000000));
  add("--dropout", settings.dropout, "Share of values dropped in the discriminator")
      ->check(CLI::Range(0.0, 0.95));
}

constexpr size_t kListedFiles = 20;

// What training would use of the photos, and what not and why.
void check_data(const gan::TrainSettings& settings) {
  using gan::grouped;
  const gan::Dataset data = gan::load_dataset(
      settings.data, {.size = gan::kWorkSize, .validation_fraction = settings.validation},
      gan::loading_progress(settings.quiet));
  const gan::DatasetReport& report = data.report;
  std::vector<int32_t> sides = report.short_sides;
  std::sort(sides.begin(), sides.end());
  const int64_t small =
      std::lower_bound(sides.begin(), sides.end(), gan::kWorkSize) - sides.begin();
  std::cout << settings.data << ": " << report.summary() << "\n"
            << "short sides: " << sides.front() << " to " << sides.back() << " pixels, the median "
            << sides[sides.size() / 2] << "; " << grouped(small) << " below " << gan::kWorkSize
            << ", to which all are resized\n"
            << "hash of the photos: " << std::hex << data.hash << std::dec << "\n";
  for (size_t i = 0; i < std::min(report.bad.size(), kListedFiles); ++i) {
    std::cout << "not used: " << report.bad[i].path << ": " << report.bad[i].reason << "\n";
  }
  if (report.bad.size() > kListedFiles) {
    std::cout << "not used: " << grouped(static_cast<int64_t>(report.bad.size() - kListedFiles))
              << " more\n";
  }
  std::cout << std::flush;
}

// "auto" as the number that stands for it, which nobody may type.
std::string automatic_batch(std::string text) {
  if (text == "0") throw CLI::ValidationError("Value 0 not in range [1 - 4096]");
  return text == "auto" ? std::to_string(gan::kAutomaticBatch) : text;
}

}  // namespace

int main(int argc, char** argv) {
  gan::TrainSettings settings;
  gan::DeviceOptions device_options;
  bool only_check = false;
  CLI::App app("Trains a GAN that colours black-and-white photos, from scratch.", "gan_train");
  gan::set_up(app,
              "  gan_train data/flowers\n"
              "  gan_train my_photos --check-data\n"
              "  gan_train my_photos --out my_run --width 32 --epochs 20\n"
              "  gan_train my_photos --out finer --init my_run/weights.bin --time-limit 30\n"
              "  gan_train my_photos --out wider --init my_run/weights.bin --width 128\n");

  app.add_option(
         "DATA", settings.data,
         "Folder of colour photos, nested or flat, or one holding color/ and gray/, or a pack of "
         "photos (gan_data pack)")
      ->required();
  app.add_flag("--check-data", only_check,
               "Train nothing; tell what of DATA would be used, and what not and why");
  app.add_option("--out", settings.out, "Folder for weights, log, report page and samples");
  app.add_option(
         "--recipe", settings.recipe,
         "How to train; left out: as suits the model (gan: stable, demo: classic, the others: "
         "reconstruction)")
      ->check(CLI::IsMember(gan::recipe_names()))
      ->default_str("the model's own");
  app.add_option("--model", settings.model, "Which generator")
      ->check(CLI::IsMember(gan::generator_models()));
  app.add_option(
         "--width", settings.width,
         "Base width of the generator, a multiple of 4; with --init: that of the weights, or a "
         "multiple, to which they are widened")
      ->check(CLI::Range(4, 512));
  app.add_option("--epochs", settings.epochs, "Passes over the training photos")
      ->check(CLI::Range(1, 1000000));
  app.add_option("--batch-size", settings.batch_size,
                 "Photos per step; auto: what four fifths of the free memory hold, at most 16 on a "
                 "CPU and 64 on a GPU, and a sixteenth of the photos")
      ->transform(automatic_batch)
      ->check(CLI::Range(0, 4096));
  app.add_option("--lr-g", settings.lr_generator,
                 "Learning rate of the generator (stable and reconstruction: 1e-3, classic: 2e-4)")
      ->check(CLI::Range(1e-9, 10.0));
  app.add_option("--lr-d", settings.lr_discriminator,
                 "Learning rate of the discriminator (stable: 2e-4, classic: 1e-4)")
      ->check(CLI::Range(1e-9, 10.0));
  app.add_option("--validation", settings.validation, "Share of the photos set aside to measure")
      ->check(CLI::Range(0.0, 0.9));
  app.add_option("--seed", settings.seed, "Same seed, same run");
  app.add_option("--time-limit", settings.time_limit_minutes, "Minutes of training; 0: no limit")
      ->check(CLI::Range(0.0, 1e6));
  app.add_option("--init", settings.init, "Weights to start from")->check(CLI::ExistingFile);
  CLI::Option* replace =
      app.add_flag("--force", settings.force, "Replace the run that --out holds");
  app.add_flag("--resume", settings.resume,
               "Go on with the run that --out holds, exactly; its settings hold, --epochs and "
               "--time-limit may be raised")
      ->excludes(replace);
  app.add_flag("--quiet", settings.quiet, "No progress lines");
  app.add_flag("--tensorboard", settings.tensorboard,
               "Write the numbers of every epoch for TensorBoard, too: OUT/tensorboard");
  add_stable_options(app, settings);
  add_classic_options(app, settings);
  gan::add_device_options(app, device_options);
  gan::add_order_option(app, device_options);

  return gan::run_program(app, argc, argv, [&] {
    if (only_check) {
      gan::set_threads(device_options.threads);
      check_data(settings);
      return static_cast<int>(gan::ExitCode::ok);
    }
    if (settings.resume) {
      // What the run was started with, then what was typed now.
      settings.from_texts(gan::resumed_settings(settings.out));
      const int batch_size = settings.batch_size;
      app.clear();
      app.parse(argc, argv);
      if (settings.batch_size == gan::kAutomaticBatch) settings.batch_size = batch_size;
    }
    if (app.count("--width") == 0 && app.count("--init") > 0) {
      settings.width = gan::width_of_weights(settings.init).value_or(settings.width);
    }
    if (!settings.resume && app.count("--recipe") == 0) {
      settings.recipe = gan::default_recipe(settings.model);
    }
    gan::require_recipe(settings.recipe, settings.model);
    gan::Device device = gan::open_and_announce(device_options);
    gan::watch_for_interrupt();
    gan::train(device, settings, gan::kVersion, gan::interrupted);
    return static_cast<int>(gan::ExitCode::ok);
  });
}
