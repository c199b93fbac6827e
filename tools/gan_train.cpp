// gan_train DATA: trains a generator on a folder of colour photos.
#include "tools/cli.h"
#include "tools/version.h"
#include "train/trainer.h"

int main(int argc, char** argv) {
  gan::TrainSettings settings;
  gan::DeviceOptions device_options;
  CLI::App app("Trains a GAN that colours black-and-white photos, from scratch.", "gan_train");
  gan::set_up(app,
              "  gan_train data/flowers\n"
              "  gan_train my_photos --out my_run --width 32 --epochs 20\n"
              "  gan_train my_photos --out finer --init my_run/weights.bin --time-limit 30\n");

  app.add_option("DATA", settings.data,
                 "Folder of colour photos, nested or flat, or one holding color/ and gray/")
      ->required();
  app.add_option("--out", settings.out, "Folder for weights, log and samples");
  app.add_option("--recipe", settings.recipe, "How to train")->check(CLI::IsMember({"classic"}));
  app.add_option("--model", settings.model, "Which generator")
      ->check(CLI::IsMember({"gan", "demo"}));
  app.add_option("--width", settings.width, "Base width of the generator, a multiple of 4")
      ->check(CLI::Range(4, 512));
  app.add_option("--epochs", settings.epochs, "Passes over the training photos")
      ->check(CLI::Range(1, 1000000));
  app.add_option("--batch-size", settings.batch_size, "Photos per step")
      ->check(CLI::Range(1, 4096));
  app.add_option("--lr-g", settings.lr_generator, "Learning rate of the generator")
      ->check(CLI::Range(1e-9, 10.0));
  app.add_option("--lr-d", settings.lr_discriminator, "Learning rate of the discriminator")
      ->check(CLI::Range(1e-9, 10.0));
  app.add_option("--l1", settings.l1_weight, "Weight of the L1 loss beside the adversarial one")
      ->check(CLI::Range(0.0, 1e6));
  app.add_option("--d-accuracy-limit", settings.d_accuracy_limit,
                 "The discriminator rests for an epoch when its accuracy was above this")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--noise-every", settings.noise_every,
                 "Show the discriminator pure noise every so many epochs; 0: never")
      ->check(CLI::Range(0, 1000000));
  app.add_option("--dropout", settings.dropout, "Share of values dropped in the discriminator")
      ->check(CLI::Range(0.0, 0.95));
  app.add_option("--validation", settings.validation, "Share of the photos set aside to measure")
      ->check(CLI::Range(0.0, 0.9));
  app.add_option("--seed", settings.seed, "Same seed, same run");
  app.add_option("--time-limit", settings.time_limit_minutes, "Minutes of training; 0: no limit")
      ->check(CLI::Range(0.0, 1e6));
  app.add_option("--init", settings.init, "Weights to start from")->check(CLI::ExistingFile);
  app.add_flag("--force", settings.force, "Replace the run that --out holds");
  app.add_flag("--quiet", settings.quiet, "No progress lines");
  gan::add_device_options(app, device_options);

  return gan::run_program(app, argc, argv, [&] {
    gan::Device device = gan::open_and_announce(device_options);
    gan::watch_for_interrupt();
    gan::train(device, settings, gan::kVersion, gan::interrupted);
    return static_cast<int>(gan::ExitCode::ok);
  });
}
