// A moving average of a generator.
#pragma once

#include "kernels/device.h"
#include "model/generator.h"
#include "train/data/batch_source.h"
#include "train/state/archive.h"

namespace gan {

// Weights that follow a generator's at a distance: average += (1 - decay) * (weights - average).
// They do not swing with the last batches, and colour better. Running statistics do not average
// well, since they belong to the weights that made them, so they are measured anew.
class Ema {
 public:
  // Starts as a copy of `source`, which must outlive this.
  Ema(Device& device, const Generator& source);

  // For an update of the source on `photos` photos. The average's memory is half as strong after
  // half_life photos; early in a run after a twentieth of the photos seen so far, if those are less.
  // aim() is the host's part, follow() the device's, after the update: the same work every time.
  void aim(int64_t photos, double half_life);
  void follow();
  // Runs batches of training photos through the average to measure its running statistics.
  void measure_statistics(BatchSource& batches, const std::vector<int32_t>& photos, int64_t batch);
  // Becomes a copy of the source again.
  void copy_source();

  Generator& generator() { return *average_; }

  void state(Archive& archive);

 private:
  Device& device_;
  const Generator& source_;
  std::unique_ptr<Generator> average_;
  Tape tape_;
  Buffer factor_memory_;
  double seen_ = 0;
};

}  // namespace gan
