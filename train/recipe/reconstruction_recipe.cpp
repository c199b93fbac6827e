#include "train/recipe/reconstruction_recipe.h"

#include <cmath>
#include <optional>

#include "engine/error.h"
#include "engine/replay.h"
#include "train/recipe/numerics.h"
#include "train/recipe/reconstruction.h"
#include "train/recipe/step_reports.h"

namespace gan {
namespace {

class ReconstructionRecipe final : public Recipe {
 public:
  ReconstructionRecipe(Device& device, const TrainSettings& settings, const PhotoSet& photos)
      : device_(device),
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
    if (!healthy_) healthy_ = training_.snapshot();
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
    // The last update may have been one too many, and nothing has been computed with its result.
    if (const NotFinite found = find_not_finite(networks()); !found.what.empty()) {
      keep_finite(training_.steps(), found);
    }
    const double mean = summed_ > 0 ? sum_ / static_cast<double>(summed_) : NAN;
    const auto skipped = static_cast<double>(skipped_);
    sum_ = 0;
    summed_ = skipped_ = 0;
    summary_ = std::isfinite(mean) ? str("MSE ", fixed(mean, 5)) : "no step taken";
    return {{"mse", mean}, {"skipped_steps", skipped}};
  }
  std::vector<std::string> respond(const MetricsSummary&) override {
    const std::vector<std::string> texts = guard_.end_epoch();
    if (guard_.healthy()) healthy_ = training_.snapshot();
    return texts;
  }
  std::string summary() const override { return summary_; }

  void state(Archive& archive) override {
    training_.state(archive);
    archive.number("sum", sum_);
    archive.number("summed", summed_);
    archive.number("skipped", skipped_);
    reports_.state(archive);
    guard_.state(archive);
    if (archive.is_loading()) training_.scale_learning_rate(guard_.rate());
    bool has_healthy = healthy_.has_value();
    archive.number("has_healthy", has_healthy);
    if (has_healthy) archive.nested("healthy", healthy_ ? *healthy_ : healthy_.emplace());
  }

  Generator& result() override { return *generator_; }
  size_t peak_bytes() const override { return training_.peak_bytes(); }

 private:
  void take_reports(bool all) {
    StepReports::Report report;
    while (reports_.take(report, all)) {
      loss_ = report.numbers[0];
      const bool finite = std::isfinite(loss_);
      keep_finite(static_cast<uint64_t>(report.notes[0]),
                  finite ? NotFinite{} : what_is_not_finite());
      if (finite) {
        sum_ += loss_;
        ++summed_;
      } else {
        ++skipped_;
      }
    }
  }

  NamedNetworks networks() { return {{"generator", &generator_->parameters()}}; }

  // Why a step was not finite: the network, else its loss.
  NotFinite what_is_not_finite() {
    NotFinite found = find_not_finite(networks());
    if (found.what.empty()) found.what = "the mean squared error";
    return found;
  }

  void keep_finite(uint64_t step, const NotFinite& found) {
    if (!guard_.observe(step, found)) return;
    training_.restore(*healthy_);
    training_.scale_learning_rate(guard_.rate());
    for (StepReports::Report late; reports_.take(late, true);) {  // of the network given up
    }
  }

  Device& device_;
  std::unique_ptr<Generator> generator_;
  Reconstruction training_;
  Replay replay_;
  StepReports reports_;
  BatchSource batches_;
  NumericsGuard guard_{"--lr-g"};
  std::optional<Reconstruction::Snapshot> healthy_;  // to go back to
  double loss_ = 0, sum_ = 0;                        // the newest step's, those of this epoch
  int64_t summed_ = 0, skipped_ = 0;
  std::string summary_;
};

}  // namespace

std::unique_ptr<Recipe> make_reconstruction_recipe(Device& device, const TrainSettings& settings,
                                                   const PhotoSet& photos) {
  return std::make_unique<ReconstructionRecipe>(device, settings, photos);
}

}  // namespace gan
