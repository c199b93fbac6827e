// The folder that a training run writes: weights, log, samples.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "train/metrics.h"

namespace gan {

// What one epoch measured: one row of log.csv.
struct EpochRecord {
  int epoch = 0;
  uint64_t step = 0;                                          // updates of the generator so far
  double seconds = 0;                                         // since the start of training
  double photos_per_second = 0;                               // training alone
  double d_loss_real = 0, d_loss_fake = 0, d_loss_noise = 0;  // means over the trained steps
  double d_trained = 0;  // share of the steps in which the discriminator was trained
  double g_adversarial = 0, l1 = 0;
  double accuracy_real = 0, accuracy_fake = 0;  // of the discriminator, at the end of the epoch
  MetricsSummary validation;
  bool best = false;

  double accuracy() const { return (accuracy_real + accuracy_fake) / 2; }
};

class RunFolder {
 public:
  // Touches nothing yet. Throws UsageError when the folder holds a run already and `force` is off,
  // DataError when it is a file.
  RunFolder(std::filesystem::path root, bool force);

  // Makes the folder, proves that it can be written and removes what an older run left there.
  // Throws DataError.
  void create() const;

  std::filesystem::path weights() const { return root_ / "weights.bin"; }
  std::filesystem::path last() const { return root_ / "last.bin"; }
  std::filesystem::path bad_files() const { return root_ / "bad_files.txt"; }
  std::filesystem::path log() const { return root_ / "log.csv"; }
  std::filesystem::path sample(int epoch) const;

  // Writes log.csv anew with all rows.
  void write_log(const std::vector<EpochRecord>& epochs) const;

 private:
  std::filesystem::path root_;
};

}  // namespace gan
