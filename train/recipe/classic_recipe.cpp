#include "train/recipe/classic_recipe.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/error.h"
#include "model/weights.h"
#include "train/recipe/classic.h"
#include "train/recipe/health.h"
#include "train/recipe/numerics.h"
#include "train/recipe/step_reports.h"

namespace gan {
namespace {

constexpr int64_t kAccuracyPhotos = 100;  // for the discriminator's accuracy, each epoch

// Sums what the steps of an epoch report.
struct EpochSums {
  int64_t steps = 0, d_steps = 0, skipped = 0;
  DiscriminatorLosses d;
  GeneratorLosses g;

  void add(const ClassicGan::StepLosses& losses, bool d_trained) {
    ++steps;
    d_steps += d_trained;
    d.real += losses.discriminator.real;
    d.fake += losses.discriminator.fake;
    d.noise += losses.discriminator.noise;
    g.adversarial += losses.generator.adversarial;
    g.l1 += losses.generator.l1;
  }
};

class ClassicRecipe final : public Recipe {
 public:
  ClassicRecipe(Device& device, const TrainSettings& settings, const PhotoSet& photos)
      : device_(device),
        settings_(settings),
        generator_(make_generator(settings.model, settings.width)),
        gan_(device, *generator_,
             {.lr_generator = settings.lr_generator.value_or(2e-4),
              .lr_discriminator = settings.lr_discriminator.value_or(1e-4),
              .l1_weight = settings.l1_weight,
              .dropout = settings.dropout,
              .seed = settings.seed},
             device.pictures()),
        replay_(device.memory),
        reports_(device),
        batches_(device, photos, settings.batch_size, ColorSpace::rgb) {
    start_from(*generator_, settings);
  }

  void step(const int32_t* photos, int64_t count, const Moment& moment) override {
    if (!healthy_) healthy_ = gan_.snapshot();
    const ClassicGan::StepPlan plan = {
        .train_discriminator = (accuracy_real_ + accuracy_fake_) / 2 <= settings_.d_accuracy_limit,
        .noise = settings_.noise_every > 0 && moment.epoch % settings_.noise_every == 0};
    batches_.pick(photos, count);
    gan_.prepare();
    replay_.run(ClassicGan::key(plan, count),
                {&gan_.generator_arena(), &gan_.discriminator_arena()}, [&] {
                  // Weights packed before are packed again in the recording.
                  if (device_.memory.records()) gan_.values_changed();
                  const Batch batch = batches_.assemble(count);
                  gan_.compute(batch.gray, batch.color, plan);
                });
    if (replay_.operations() > 0) gan_.values_changed();
    reports_.post(gan_.numbers(), {static_cast<double>(plan.train_discriminator),
                                   static_cast<double>(plan.noise), double(gan_.steps())});
    take_reports(false);
  }
  void wait() override { reports_.wait(); }

  uint64_t steps() const override { return gan_.steps(); }

  std::string status() const override {
    const std::string losses =
        str("D ", fixed(losses_.discriminator.sum(), 3), ", G ",
            fixed(losses_.generator.adversarial, 3), ", L1 ", fixed(losses_.generator.l1, 4));
    if (summary_.empty()) return losses;  // D's accuracy is measured at an epoch's end
    return str(losses, ", ", name_of_game(accuracy_real_, accuracy_fake_));
  }

  NamedValues end_epoch(const Moment& moment) override {
    take_reports(true);
    // The last update may have been one too many, and nothing has been computed with its result.
    if (const NotFinite found = find_not_finite(networks()); !found.what.empty()) {
      keep_finite(gan_.steps(), found);
    }
    const double d_count = static_cast<double>(std::max<int64_t>(sums_.d_steps, 1));
    const double count = static_cast<double>(std::max<int64_t>(sums_.steps, 1));
    const double trained = static_cast<double>(sums_.d_steps) / count;
    const DiscriminatorLosses d = {sums_.d.real / d_count, sums_.d.fake / d_count,
                                   sums_.d.noise / d_count};
    const GeneratorLosses g = {sums_.g.adversarial / count, sums_.g.l1 / count};
    const auto skipped = static_cast<double>(sums_.skipped);
    sums_ = {};
    measure_accuracy(moment.epoch);
    summary_ = str("D ", fixed(d.sum(), 3), ", G ", fixed(g.adversarial, 3), ", L1 ",
                   fixed(g.l1, 4), "; D right on ", fixed(100 * accuracy_real_, 0), "% of real, ",
                   fixed(100 * accuracy_fake_, 0), "% of fake (",
                   name_of_game(accuracy_real_, accuracy_fake_), trained > 0 ? ")" : ", rested)");
    // What was not measured is no 0.
    const auto measured = [](bool was, double value) { return was ? value : NAN; };
    const bool judged = trained > 0;
    const bool noisy = settings_.noise_every > 0 && moment.epoch % settings_.noise_every == 0;
    return {{"d_loss_real", measured(judged, d.real)},
            {"d_loss_fake", measured(judged, d.fake)},
            {"d_loss_noise", measured(judged && noisy, d.noise)},
            {"d_trained", trained},
            {"g_adversarial", g.adversarial},
            {"l1", g.l1},
            {"d_accuracy_real", accuracy_real_},
            {"d_accuracy_fake", accuracy_fake_},
            {"d_accuracy", (accuracy_real_ + accuracy_fake_) / 2},
            {"skipped_steps", skipped}};
  }

  std::vector<std::string> respond(const MetricsSummary&) override {
    const std::vector<std::string> texts = guard_.end_epoch();
    if (guard_.healthy()) healthy_ = gan_.snapshot();
    return texts;
  }

  void state(Archive& archive) override {
    gan_.state(archive);
    archive.number("accuracy_real", accuracy_real_);
    archive.number("accuracy_fake", accuracy_fake_);
    archive.number("sums.steps", sums_.steps);
    archive.number("sums.d_steps", sums_.d_steps);
    archive.number("sums.skipped", sums_.skipped);
    archive.number("sums.d_real", sums_.d.real);
    archive.number("sums.d_fake", sums_.d.fake);
    archive.number("sums.d_noise", sums_.d.noise);
    archive.number("sums.g_adversarial", sums_.g.adversarial);
    archive.number("sums.l1", sums_.g.l1);
    reports_.state(archive);
    guard_.state(archive);
    if (archive.is_loading()) gan_.scale_learning_rates(guard_.rate());
    bool has_healthy = healthy_.has_value();
    archive.number("has_healthy", has_healthy);
    if (has_healthy) archive.nested("healthy", healthy_ ? *healthy_ : healthy_.emplace());
  }

  std::string summary() const override { return summary_; }
  Generator& result() override { return *generator_; }
  size_t peak_bytes() const override { return gan_.peak_bytes(); }

 private:
  void take_reports(bool all) {
    StepReports::Report report;
    while (reports_.take(report, all)) {
      const ClassicGan::StepPlan plan = {.train_discriminator = report.notes[0] != 0,
                                         .noise = report.notes[1] != 0};
      losses_ = ClassicGan::read_losses(report.numbers, plan);
      const bool finite = std::isfinite(losses_.discriminator.sum() +
                                        losses_.generator.adversarial + losses_.generator.l1);
      keep_finite(static_cast<uint64_t>(report.notes[2]),
                  finite ? NotFinite{} : what_is_not_finite());
      if (finite) {
        sums_.add(losses_, plan.train_discriminator);
      } else {
        ++sums_.skipped;
      }
    }
  }

  NamedNetworks networks() {
    return {{"generator", &generator_->parameters()},
            {"discriminator", &gan_.discriminator().parameters()}};
  }

  // Why a step was not finite: its networks, else the first of its losses.
  NotFinite what_is_not_finite() {
    if (NotFinite found = find_not_finite(networks()); !found.what.empty()) return found;
    if (!std::isfinite(losses_.discriminator.sum())) return {"the discriminator's loss"};
    if (!std::isfinite(losses_.generator.adversarial)) return {"the adversarial loss"};
    return {"the L1 loss"};
  }

  void keep_finite(uint64_t step, const NotFinite& found) {
    if (!guard_.observe(step, found)) return;
    gan_.restore(*healthy_);
    gan_.scale_learning_rates(guard_.rate());
    for (StepReports::Report late; reports_.take(late, true);) {  // of the networks given up
    }
  }

  void measure_accuracy(int epoch) {
    const std::vector<int32_t> order = shuffled(
        batches_.photos(),
        Random(Random::State{settings_.seed, kAccuracyStream, static_cast<uint64_t>(epoch) << 32}));
    const int64_t total = std::min(kAccuracyPhotos, batches_.photos());
    int64_t right_real = 0, right_fake = 0;
    Tape tape(device_.memory);
    for (int64_t begin = 0; begin < total; begin += settings_.batch_size) {
      const Batch batch =
          batches_.assemble(&order[begin], std::min<int64_t>(settings_.batch_size, total - begin));
      tape.reset();
      Context context{.kernels = device_.kernels, .tape = tape, .training = false};
      const Variable& fake = generator_->forward(context, tape.constant(batch.gray));
      for (float logit : gan_.judge(batch.color)) right_real += logit > 0;
      for (float logit : gan_.judge(fake.value)) right_fake += logit <= 0;
    }
    accuracy_real_ = static_cast<double>(right_real) / static_cast<double>(total);
    accuracy_fake_ = static_cast<double>(right_fake) / static_cast<double>(total);
  }

  Device& device_;
  TrainSettings settings_;
  std::unique_ptr<Generator> generator_;
  ClassicGan gan_;
  Replay replay_;
  StepReports reports_;
  BatchSource batches_;
  NumericsGuard guard_;
  std::optional<ClassicGan::Snapshot> healthy_;  // to go back to
  ClassicGan::StepLosses losses_;
  EpochSums sums_;
  double accuracy_real_ = 0.5, accuracy_fake_ = 0.5;  // before anything was measured
  std::string summary_;
};

}  // namespace

std::unique_ptr<Recipe> make_classic_recipe(Device& device, const TrainSettings& settings,
                                            const PhotoSet& photos) {
  return std::make_unique<ClassicRecipe>(device, settings, photos);
}

}  // namespace gan
