// What the steps of a stable run report: means over an epoch, and smoothed.
#pragma once

#include <cstdint>
#include <vector>

#include "train/recipe/recipe.h"
#include "train/recipe/stable.h"

namespace gan {

class StepStatistics {
 public:
  StepStatistics();

  // Numbers of steps that were not finite are not counted, nor those that a step did not measure.
  void add(const StepReport& report, const StepPlan& plan);
  // What a step that looked inside found.
  void add(const StableNorms& norms);
  void begin_epoch();

  // Of the epoch so far. NaN for what no step measured.
  StepReport mean() const;
  // The newest.
  const StableNorms& norms() const { return norms_; }
  int skipped() const { return skipped_; }  // steps that were not finite
  bool with_discriminator() const;
  bool with_adversary() const;

  // Each number with a memory of a hundred steps, over the whole run.
  NamedValues smoothed() const;

  void state(Archive& archive);

 private:
  std::vector<double> sums_, smoothed_;  // in the order of the table of numbers
  std::vector<int> counts_;
  int skipped_ = 0;
  StableNorms norms_;
};

}  // namespace gan
