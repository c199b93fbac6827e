#include "train/recipe/reconstruction_recipe.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/replay.h"
#include "train/recipe/reconstruction.h"
#include "train/recipe/step_reports.h"

namespace gan {
namespace {

class ReconstructionRecipe final : public Recipe {
 public:
  ReconstructionRecipe(Device& device, const TrainSettings& settings, const PhotoSet& photos)
      : device_(device),
        out_(settings.out),
        generator_(make_generator(settings.model, settings.width)),
        training_(device, *generator_,
                  {.lr_generator = settings.lr_generator.value_or(1e-3), .seed = settings.seed},
                  device.pictures()),
        replay_(device.memory),
        reports_(device),
        batches_(device, photos, settings.batch_size, ColorSpace::rgb) {
    start_from(*generator_, settings);
  }

  void step(const int32_t* photos, int64_t count, const Moment&) override {
    batches_.pick(photos, count);
    training_.prepare();
    replay_.run({static_cast<uint64_t>(count)}, {&training_.arena()}, [&] {
      // Weights packed before are packed again in the recording.
      if (device_.memory.records()) training_.values_changed();
      const Batch batch = batches_.assemble(count);
      training_.compute(batch.gray, batch.color);
    });
    if (replay_.operations() > 0) training_.values_changed();
    reports_.post(training_.loss(), {static_cast<double>(training_.steps())});
    take_reports(false);
  }
  void wait() override { reports_.wait(); }

  uint64_t steps() const override { return training_.steps(); }
  std::string status() const override { return str("MSE ", fixed(loss_, 5)); }

  NamedValues end_epoch(const Moment&) override {
    take_reports(true);
    const double mean = sum_ / static_cast<double>(std::max<int64_t>(summed_, 1));
    sum_ = 0;
    summed_ = 0;
    summary_ = str("MSE ", fixed(mean, 5));
    return {{"mse", mean}};
  }
  std::string summary() const override { return summary_; }

  void state(Archive& archive) override {
    training_.state(archive);
    archive.number("sum", sum_);
    archive.number("summed", summed_);
    reports_.state(archive);
  }

  Generator& result() override { return *generator_; }
  size_t peak_bytes() const override { return training_.peak_bytes(); }

 private:
  void take_reports(bool all) {
    StepReports::Report report;
    while (reports_.take(report, all)) {
      loss_ = report.numbers[0];
      if (!std::isfinite(loss_)) {
        throw DataError(str("step ", static_cast<uint64_t>(report.notes[0]),
                            ": the loss is not finite any more (", loss_, "); files in ", out_,
                            " are those of the last whole epoch; try a smaller --lr-g"));
      }
      sum_ += loss_;
      ++summed_;
    }
  }

  Device& device_;
  std::string out_;
  std::unique_ptr<Generator> generator_;
  Reconstruction training_;
  Replay replay_;
  StepReports reports_;
  BatchSource batches_;
  double loss_ = 0, sum_ = 0;  // the newest step's, those of this epoch
  int64_t summed_ = 0;
  std::string summary_;
};

}  // namespace

std::unique_ptr<Recipe> make_reconstruction_recipe(Device& device, const TrainSettings& settings,
                                                   const PhotoSet& photos) {
  return std::make_unique<ReconstructionRecipe>(device, settings, photos);
}

}  // namespace gan
