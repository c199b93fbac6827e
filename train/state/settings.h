// What a training run is asked to do.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace gan {

// Streams of random numbers of a run, one per use.
enum Stream : uint64_t { kOrderStream = 1, kAccuracyStream, kMoveStream, kWarpStream };

constexpr int kAutomaticBatch = 0;  // as large as is good and fits (memory_plan.h)

struct TrainSettings {
  std::string data;
  std::string out = "run";
  std::string recipe = "stable";
  std::string model = "gan";
  std::string init;  // weights to start from; empty: random ones
  int width = 64;
  int epochs = 100;
  int batch_size = 16;
  std::optional<double> lr_generator, lr_discriminator;  // unset: the recipe's own
  double validation = 0.1;
  uint64_t seed = 1;
  double time_limit_minutes = 0;  // 0: none
  bool force = false;             // replace the run that `out` holds
  bool resume = false;            // go on with it
  bool quiet = false;
  bool tensorboard = false;  // write event files, too

  // The classic recipe's.
  double l1_weight = 75;
  double d_accuracy_limit = 0.8;  // the discriminator rests while its accuracy is above
  int noise_every = 5;            // epochs; 0: never
  double dropout = 0.3;

  // The stable recipe's: every ingredient can be turned off.
  int head = 64;                     // resolution of the chroma, 64 or 128
  double supervised = 0.6;           // share of the run before the discriminator comes in
  std::string adversary = "paired";  // paired, bce, none
  double adversarial_ratio = 0.2;    // adversarial : supervised gradient at the generator's output
  std::string smoothness = "penalty";  // of the discriminator: penalty, spectral, none
  double r1_gamma = 1, r2_gamma = 1;   // gradient penalties on real and generated photos; 0: off
  int penalty_every = 4;               // steps from one penalty, so much stronger, to the next
  double label_smoothing = 0;          // of "real" with bce
  double moment_weight = 0.1;          // of the moment loss; 0: off
  double coherence_weight = 0.5;       // of the coherence loss; 0: off
  bool balance_hues = true;            // rare colours and near-neutral ones count more
  bool move_photos = true;             // random shifts and mirroring of training photos
  bool augment = true;                 // of what the discriminator sees
  bool ema = true;                     // keep a moving average of the generator
  bool anneal = true;                  // let the learning rates fall
  bool autopilot = true;               // answer bad health

  // Everything that shapes the result, for weights files: only what concerns this recipe.
  std::map<std::string, std::string> as_metadata() const;
  // The same of both recipes, and back. Throws DataError for a value that cannot be read.
  std::map<std::string, std::string> to_texts() const;
  void from_texts(const std::map<std::string, std::string>& texts);
};

}  // namespace gan
