#include "train/recipe/stable_recipe.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/error.h"
#include "model/weights.h"
#include "train/recipe/ema.h"
#include "train/recipe/health.h"
#include "train/recipe/hue_weights.h"
#include "train/recipe/numerics.h"
#include "train/recipe/stable.h"
#include "train/recipe/step_reports.h"
#include "train/recipe/step_statistics.h"

namespace gan {
namespace {

constexpr int kShift = 16;                  // pixels by which training photos move
constexpr double kEmaHalfLife = 10000;      // photos
constexpr int64_t kStatisticsPhotos = 320;  // for the average's running statistics, each epoch
constexpr double kPairsToStart = 0.75;      // D's accuracy on pairs at which the game begins
constexpr double kRamp = 0.1;               // of the run, until the adversarial gradient is there
constexpr double kAugmentTarget = 0.75;     // D's accuracy on pairs at which augmentation rests
constexpr double kAugmentPhotos = 50000;    // from no augmentation to all of it
constexpr double kAugmentMost = 0.8;
constexpr int64_t kJudgedPhotos = 128;  // of those D learns from, and of others, each epoch
constexpr uint64_t kLookInside = 100;   // steps from one look at all layers to the next

// A value between two as `x` goes from a to b.
double ramp(double x, double a, double b, double from, double to) {
  if (b <= a) return to;
  return from + (to - from) * std::clamp((x - a) / (b - a), 0.0, 1.0);
}

class StableRecipe final : public Recipe {
 public:
  StableRecipe(Device& device, const TrainSettings& settings, const PhotoSet& photos,
               const PhotoSet& held_out)
      : settings_(settings),
        adversary_(adversary_named(settings.adversary)),
        smoothness_(smoothness_named(settings.smoothness)),
        schedule_{adversary_ == Adversary::none ? 1 : settings.supervised, settings.anneal},
        generator_(
            make_generator(settings.model, settings.width,
                           settings.head == 128 ? ColorHead::chroma128 : ColorHead::chroma64)),
        gan_(device, *generator_, hue_weights(photos, settings.balance_hues),
             {.adversary = adversary_,
              .spectrum =
                  smoothness_ == Smoothness::spectral ? Spectrum::normalized : Spectrum::free,
              .label_smoothing = settings.label_smoothing,
              .seed = settings.seed}),
        records_(device.memory.records()),
        replay_(device.memory),
        reports_(device),
        batches_(device, photos, settings.batch_size, ColorSpace::ycbcr),
        held_out_(device, held_out, settings.batch_size, ColorSpace::ycbcr),
        autopilot_({.penalty = smoothness_ == Smoothness::penalty &&
                               settings.r1_gamma + settings.r2_gamma > 0,
                    .augmentation = settings.augment,
                    .moments = settings.moment_weight > 0}) {
    start_from(*generator_, settings);
    if (settings.ema) ema_.emplace(device, *generator_);
  }

  void step(const int32_t* photos, int64_t count, const Moment& moment) override {
    advance(moment);
    if (!healthy_) healthy_ = gan_.snapshot();
    Random random(Random::State{settings_.seed, kMoveStream, gan_.steps() << 32});
    if (settings_.move_photos) {
      batches_.pick_moved(photos, count, kShift, random);
    } else {
      batches_.pick(photos, count);
    }
    const StepPlan plan = plan_for(moment.progress);
    gan_.prepare(batches_.shape(count), plan);
    const bool follow = plan.train_generator && ema_;
    if (follow) ema_->aim(count, kEmaHalfLife);
    const auto work = [&] {
      if (records_) values_changed();  // weights packed before are packed again in the recording
      const Batch batch = batches_.assemble(count);
      gan_.compute(batch.gray, batch.color, plan);
      if (follow) ema_->follow();
    };
    if (gan_.can_be_recorded(plan)) {
      replay_.run(gan_.key(plan), {&gan_.generator_arena(), &gan_.discriminator_arena()}, work);
      if (replay_.operations() > 0) values_changed();
    } else {
      work();
      statistics_.add(gan_.norms());
    }
    reports_.post(gan_.numbers(), notes_of(plan, count));
    take_reports(false);
  }
  void wait() override { reports_.wait(); }

  uint64_t steps() const override { return gan_.steps(); }

  std::string status() const override {
    if (phase_ == Phase::supervised) {
      return str("chroma ", fixed(report_.chroma, 4), ", moments ", fixed(report_.moments, 4));
    }
    std::string text = phase_ == Phase::joint ? str("chroma ", fixed(report_.chroma, 4), ", G ",
                                                    fixed(report_.adversarial, 3), ", ")
                                              : "";
    const StepReport m = statistics_.mean();  // of the epoch so far: single steps jump about
    return text + str("D ", fixed(report_.discriminator, 3), ", ",
                      name_of_game(m.accuracy_real, m.accuracy_fake));
  }

  NamedValues end_epoch(const Moment& moment) override {
    take_reports(true);
    // The last update may have been one too many, and nothing has been computed with its result.
    if (const NotFinite found = find_not_finite(networks()); !found.what.empty()) {
      keep_finite(gan_.steps(), found);
    }
    if (ema_) {
      const std::vector<int32_t> some = some_photos(batches_, kStatisticsPhotos, moment.epoch);
      ema_->measure_statistics(batches_, some,
                               std::min<int64_t>(settings_.batch_size, std::ssize(some)));
    }
    const StepReport m = statistics_.mean();
    const StableNorms& norms = statistics_.norms();
    judged_ = statistics_.with_discriminator();
    signals_ = {.epoch = moment.epoch,
                .generator_trained = statistics_.with_adversary(),
                .accuracy_real = m.accuracy_real,
                .accuracy_fake = m.accuracy_fake,
                .sign_real = adversary_ == Adversary::bce ? m.sign_real : 0,
                .adversarial_share = m.adversarial_share,
                .train_loss = m.chroma};
    generator_learned_ = !std::isnan(m.chroma);
    const int skipped = statistics_.skipped();
    const StepPlan plan = plan_for(moment.progress);
    const double on_train = judged_ ? mean_logit(batches_, moment.epoch) : NAN;
    const double on_held_out = judged_ ? mean_logit(held_out_, moment.epoch) : NAN;
    summarize(m);
    statistics_.begin_epoch();
    return {
        {"phase", static_cast<double>(phase_)},
        {"chroma_loss", m.chroma},
        {"moment_loss", m.moments},
        {"coherence_loss", m.coherence},
        {"g_gradient", total_gradient(norms.generator)},
        {"g_update_ratio", median_update_ratio(norms.generator)},
        {"g_least_variance", least_variance(result().parameters())},
        {"ema_distance",
         ema_ ? relative_distance(generator_->parameters(), ema_->generator().parameters()) : NAN},
        {"d_gradient", total_gradient(norms.discriminator)},
        {"d_update_ratio", median_update_ratio(norms.discriminator)},
        {"d_loss", m.discriminator},
        {"g_adversarial", m.adversarial},
        {"d_accuracy_real", m.accuracy_real},
        {"d_accuracy_fake", m.accuracy_fake},
        {"d_accuracy", (m.accuracy_real + m.accuracy_fake) / 2},
        {"d_accuracy_pairs", m.accuracy_pairs},
        {"d_logit_real", m.logit_real},
        {"d_logit_fake", m.logit_fake},
        {"d_spread_real", m.spread_real},
        {"d_spread_fake", m.spread_fake},
        {"d_logit_train", on_train},
        {"d_logit_held_out", on_held_out},
        {"r1", m.r1},
        {"r2", m.r2},
        {"adversarial_share", m.adversarial_share},
        {"adversarial_weight", m.adversarial_weight},
        {"skipped_steps", static_cast<double>(skipped)},
        {"augment", plan.augment},
        {"gamma_factor", knobs_.gamma},
        {"lr_g", plan.lr_generator},
        {"lr_d", plan.train_discriminator ? plan.lr_discriminator : NAN}};
  }

  std::string summary() const override { return summary_; }
  NamedValues smoothed_steps() const override { return statistics_.smoothed(); }
  std::vector<LayerNorms> layers() const override {
    std::vector<LayerNorms> all;
    const StableNorms& norms = statistics_.norms();
    for (const auto& [network, layers] :
         {std::pair{"generator.", &norms.generator}, {"discriminator.", &norms.discriminator}}) {
      for (const LayerNorms& layer : *layers) {
        all.push_back(layer);
        all.back().name.insert(0, network);
      }
    }
    return all;
  }

  std::vector<std::string> respond(const MetricsSummary& validation) override {
    signals_.colorfulness_ratio = validation.colorfulness_ratio;
    signals_.bias_a = validation.bias_a;
    signals_.bias_b = validation.bias_b;
    signals_.ciede2000 = validation.ciede2000;
    signals_.entropy_ratio = validation.entropy_ratio;
    signals_.variety_ratio = validation.variety_ratio;
    std::vector<std::string> texts = guard_.end_epoch();
    bool healthy = guard_.healthy(), go_back = false;
    std::vector<HealthEvent> events;
    if (!judged_) {
      autopilot_.remember_colors(signals_);
    } else if (settings_.autopilot) {
      events = autopilot_.observe(signals_, knobs_);
    }
    for (const HealthEvent& event : events) {
      healthy = false;
      go_back = go_back || event.restore;
      if (event.ramp_again) joint_start_ = last_progress_;
      if (event.discriminator_only) alone_until_ = signals_.epoch + 1;
      finished_ = finished_ || event.stop;
      texts.push_back(str(name_of(event.state), ": ", event.text));
    }
    if (healthy) healthy_ = gan_.snapshot();
    if (go_back) return_to_health();
    return texts;
  }

  void state(Archive& archive) override {
    gan_.state(archive);
    if (ema_) ema_->state(archive);
    statistics_.state(archive);
    autopilot_.state(archive);
    guard_.state(archive);
    knobs_.state(archive);
    archive.number("phase", phase_);
    archive.number("alone_since", alone_since_);
    archive.number("alone_until", alone_until_);
    archive.number("joint_start", joint_start_);
    archive.number("augment", augment_);
    archive.number("smooth_pairs", smooth_pairs_);
    archive.number("finished", finished_);
    bool has_healthy = healthy_.has_value();
    reports_.state(archive);
    archive.number("has_healthy", has_healthy);
    if (has_healthy) archive.nested("healthy", healthy_ ? *healthy_ : healthy_.emplace());
  }

  bool finished() const override { return finished_; }
  Generator& result() override { return ema_ ? ema_->generator() : *generator_; }
  bool generator_learned() const override { return generator_learned_; }
  bool knows_supervision() const override { return schedule_.supervised < 1; }
  bool supervised_only() const override { return phase_ == Phase::supervised; }
  size_t peak_bytes() const override { return gan_.peak_bytes(); }

 private:
  enum class Phase { supervised, discriminator_alone, joint };

  // What the report of a step is to be read with.
  std::vector<double> notes_of(const StepPlan& plan, int64_t photos) const {
    return {double(plan.train_generator),
            double(plan.train_discriminator),
            plan.adversarial_ratio,
            plan.r1_gamma,
            plan.r2_gamma,
            double(photos),
            double(gan_.steps())};
  }

  void take_reports(bool all) {
    StepReports::Report report;
    while (reports_.take(report, all)) {
      const std::vector<double>& notes = report.notes;
      StepPlan plan;
      plan.train_generator = notes.at(0) != 0;
      plan.train_discriminator = notes.at(1) != 0;
      plan.adversarial_ratio = notes.at(2);
      plan.r1_gamma = notes.at(3);
      plan.r2_gamma = notes.at(4);
      report_ = gan_.read_report(report.numbers, plan);
      statistics_.add(report_, plan);
      keep_finite(static_cast<uint64_t>(notes.at(6)),
                  report_.finite ? NotFinite{} : what_is_not_finite());
      if (plan.train_discriminator && report_.finite) {
        adapt_augmentation(static_cast<int64_t>(notes.at(5)));
      }
    }
  }

  // The host has not seen what a recording does to the weights.
  void values_changed() {
    gan_.values_changed();
    if (ema_) ema_->generator().parameters().values_changed();
  }

  // Moves on to the next phase when it is time.
  void advance(const Moment& moment) {
    last_progress_ = moment.progress;
    epoch_ = moment.epoch;
    if (phase_ == Phase::supervised && moment.progress >= schedule_.supervised) {
      phase_ = Phase::discriminator_alone;
      alone_since_ = gan_.steps();
    }
    if (phase_ == Phase::discriminator_alone) {
      const auto epoch_steps = static_cast<uint64_t>(batches_.photos() / settings_.batch_size);
      if (smooth_pairs_ > kPairsToStart || gan_.steps() - alone_since_ >= epoch_steps) {
        phase_ = Phase::joint;
        joint_start_ = moment.progress;
      }
    }
  }

  StepPlan plan_for(double progress) const {
    const bool judged = phase_ != Phase::supervised;
    const bool joint = phase_ == Phase::joint && epoch_ > alone_until_;
    StepPlan plan;
    plan.train_generator = !judged || joint;
    plan.train_discriminator = judged;
    plan.lr_generator =
        settings_.lr_generator.value_or(1e-3) * schedule_.generator_lr(progress) * guard_.rate();
    plan.lr_discriminator = settings_.lr_discriminator.value_or(2e-4) *
                            schedule_.discriminator_lr(progress) * knobs_.lr_discriminator *
                            guard_.rate();
    plan.moment_weight = settings_.moment_weight * knobs_.moments;
    plan.coherence_weight = settings_.coherence_weight;
    if (joint) {
      plan.adversarial_ratio = settings_.adversarial_ratio * knobs_.adversarial_ratio *
                               ramp(progress, joint_start_, joint_start_ + kRamp, 0, 1);
    }
    // Lazily, as StyleGAN2 does: now and then, and so much stronger, is as good and far cheaper.
    if (smoothness_ == Smoothness::penalty &&
        gan_.steps() % static_cast<uint64_t>(settings_.penalty_every) == 0) {
      plan.r1_gamma = settings_.r1_gamma * knobs_.gamma * settings_.penalty_every;
      plan.r2_gamma = settings_.r2_gamma * knobs_.gamma * settings_.penalty_every;
    }
    plan.look_inside = gan_.steps() % kLookInside == 0;
    if (settings_.augment) {
      plan.augment = std::clamp(augment_ + knobs_.augment_offset, 0.0, kAugmentMost);
    }
    return plan;
  }

  // Some of the photos, others in each epoch.
  std::vector<int32_t> some_photos(const BatchSource& source, int64_t most, int epoch) const {
    std::vector<int32_t> order = shuffled(
        source.photos(),
        Random(Random::State{settings_.seed, kAccuracyStream, static_cast<uint64_t>(epoch) << 32}));
    order.resize(static_cast<size_t>(std::min(most, source.photos())));
    return order;
  }

  // D's mean logit for some photos as they are. For photos it learns from and others alike, as long
  // as it does not know the former by heart.
  double mean_logit(BatchSource& source, int epoch) {
    const std::vector<int32_t> some = some_photos(source, kJudgedPhotos, epoch);
    double sum = 0;
    for (int64_t first = 0; first < std::ssize(some); first += settings_.batch_size) {
      const int64_t count = std::min<int64_t>(settings_.batch_size, std::ssize(some) - first);
      sum += static_cast<double>(count) *
             gan_.mean_logit(source.assemble(&some[static_cast<size_t>(first)], count).color);
    }
    return sum / static_cast<double>(some.size());
  }

  // More augmentation while D tells pairs apart too well, less while it does not (after "Training
  // generative adversarial networks with limited data", Karras et al. 2020).
  void adapt_augmentation(int64_t photos) {
    smooth_pairs_ += 0.02 * (report_.accuracy_pairs - smooth_pairs_);
    const double by = static_cast<double>(photos) / kAugmentPhotos;
    augment_ =
        std::clamp(augment_ + (smooth_pairs_ > kAugmentTarget ? by : -by), 0.0, kAugmentMost);
  }

  NamedNetworks networks() {
    NamedNetworks all = {{"generator", &generator_->parameters()},
                         {"discriminator", &gan_.discriminator().parameters()}};
    if (ema_) all.emplace_back("average", &ema_->generator().parameters());
    return all;
  }

  // Why a step was not finite: its networks, else the first of its numbers.
  NotFinite what_is_not_finite() {
    if (NotFinite found = find_not_finite(networks()); !found.what.empty()) return found;
    const StepReport& r = report_;
    for (const auto& [name, value] : NamedValues{{"the discriminator's loss", r.discriminator},
                                                 {"the penalty R1", r.r1},
                                                 {"the penalty R2", r.r2},
                                                 {"the chroma loss", r.chroma},
                                                 {"the moment loss", r.moments},
                                                 {"the coherence loss", r.coherence}}) {
      if (!std::isfinite(value)) return {name};
    }
    return {"the adversarial gradient at the generator's output"};
  }

  void keep_finite(uint64_t step, const NotFinite& found) {
    if (!guard_.observe(step, found)) return;
    return_to_health();
    for (StepReports::Report late; reports_.take(late, true);) {  // of the networks given up
    }
  }

  void return_to_health() {
    gan_.restore(*healthy_);
    if (ema_ && !find_not_finite({{"average", &ema_->generator().parameters()}}).what.empty()) {
      ema_->copy_source();
    }
  }

  void summarize(const StepReport& m) {
    summary_ = !std::isnan(m.chroma) ? str("chroma ", fixed(m.chroma, 4))
               : judged_             ? "D learns alone"
                                     : "no step taken";
    if (!judged_) {
      summary_ += ", no discriminator yet";
      return;
    }
    summary_ += str(", D right on ", fixed(100 * m.accuracy_real, 0), "% of real, ",
                    fixed(100 * m.accuracy_fake, 0), "% of fake (",
                    name_of_game(m.accuracy_real, m.accuracy_fake), ")");
  }

  TrainSettings settings_;
  Adversary adversary_;
  Smoothness smoothness_;
  Schedule schedule_;
  std::unique_ptr<Generator> generator_;
  StableGan gan_;
  bool records_;
  Replay replay_;
  StepReports reports_;
  BatchSource batches_, held_out_;
  std::optional<Ema> ema_;

  Phase phase_ = Phase::supervised;
  uint64_t alone_since_ = 0;  // step at which D began to learn alone
  int alone_until_ = 0;       // epoch up to which it learns alone again
  double joint_start_ = 0;    // progress
  double last_progress_ = 0;
  int epoch_ = 1;
  double augment_ = 0;
  double smooth_pairs_ = 0.5;

  StepReport report_;
  StepStatistics statistics_;
  std::string summary_;

  Autopilot autopilot_;
  Knobs knobs_;
  Signals signals_;
  bool judged_ = false;
  bool finished_ = false;
  bool generator_learned_ = true;  // in the last epoch
  NumericsGuard guard_;
  std::optional<StableGan::Snapshot> healthy_;  // to go back to
};

}  // namespace

double Schedule::generator_lr(double progress) const {
  if (!anneal) return 1;
  // What remains when the discriminator comes in; without one, the fall ends at the last value.
  constexpr double kHold = 0.4, kJoint = 0.15, kLast = 0.02;
  if (supervised >= 1) return ramp(progress, kHold, 1, 1, kLast);
  if (progress < supervised) return ramp(progress, kHold * supervised, supervised, 1, kJoint);
  return ramp(progress, supervised, 1, kJoint, kLast);
}

double Schedule::discriminator_lr(double progress) const {
  return anneal ? ramp(progress, supervised, 1, 1, 0.25) : 1;
}

std::unique_ptr<Recipe> make_stable_recipe(Device& device, const TrainSettings& settings,
                                           const PhotoSet& photos, const PhotoSet& held_out) {
  if (settings.model != "gan") {
    throw UsageError(str("model ", settings.model, " predicts RGB and the stable recipe trains ",
                         "chroma: use --recipe classic, or --model gan"));
  }
  return std::make_unique<StableRecipe>(device, settings, photos, held_out);
}

}  // namespace gan
