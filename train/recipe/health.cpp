#include "train/recipe/health.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "engine/error.h"

namespace gan {
namespace {

// The discriminator is ahead: it should be right on 55 to 85% of the photos.
constexpr double kBehind = 0.55, kDominating = 0.85, kAllAbove = 0.6;
// It cannot be fooled any more, so the generator learns nothing from it.
constexpr double kWon = 0.97, kNoGradient = 0.01;
constexpr int kWonEpochs = 2, kWonTimes = 3;
// It does not see the difference, or calls everything real, as the original's did for 130 epochs.
constexpr double kBlind = 0.52, kAllReal = 0.95, kNoneFake = 0.2;
constexpr int kBlindEpochs = 3;
// The generator's colours. Those that never were there are not lost: a run that is still learning them,
// or too small for them, is not helped by going back.
constexpr double kFallen = 0.8;    // of the best so far
constexpr double kGray = 0.4;      // of the truth's colourfulness
constexpr double kFew = 0.7;       // of the entropy of its colours
constexpr double kAllAlike = 0.3;  // of the photos' spread
constexpr double kTint = 4;        // CIELAB a or b
constexpr int kTintEpochs = 3;
constexpr double kWorse = 1.03;  // times the best CIEDE2000
constexpr int kWorseEpochs = 5;

constexpr double kLeastFactor = 1.0 / 16, kMostFactor = 64;

void scale(double& knob, double factor) {
  knob = std::clamp(knob * factor, kLeastFactor, kMostFactor);
}
void shift(double& knob, double by) {
  knob = std::clamp(knob + by, -0.8, 0.8);
}

std::string percent(double share) {
  return fixed(100 * share, 0) + "%";
}

// What there is of these, with commas between.
std::string listed(std::initializer_list<std::string> parts) {
  std::string list;
  for (const std::string& part : parts) list += (list.empty() || part.empty() ? "" : ", ") + part;
  return list;
}

}  // namespace

const char* name_of(HealthState state) {
  constexpr const char* kNames[] = {"D dominating", "D won",   "D blind", "colour collapse",
                                    "tint drift",   "overfit", "numerics"};
  return kNames[static_cast<int>(state)];
}

const char* name_of_game(double accuracy_real, double accuracy_fake) {
  const double balanced = (accuracy_real + accuracy_fake) / 2;
  if (std::isnan(balanced)) return "";
  return balanced > kDominating ? "D ahead" : balanced < kBehind ? "G ahead" : "balanced";
}

std::vector<HealthEvent> Autopilot::observe(const Signals& s, Knobs& knobs) {
  std::vector<HealthEvent> events;
  const double balanced = s.balanced_accuracy();

  const bool no_gradient = s.generator_trained && s.adversarial_share < kNoGradient;
  won_epochs_ = balanced > kWon || no_gradient ? won_epochs_ + 1 : 0;
  if (won_epochs_ >= kWonEpochs) {
    won_epochs_ = 0;
    ++won_times_;
    if (means_.penalty) {
      scale(knobs.gamma, 4);
    } else {
      scale(knobs.lr_discriminator, 0.5);
    }
    HealthEvent event = {HealthState::d_won, "", true, true};
    event.stop = won_times_ > kWonTimes;
    const std::string seen =
        balanced > kWon || !no_gradient
            ? str("D is right on ", percent(balanced), " of the photos")
            : str("the generator's gradient from D is ", fixed(100 * s.adversarial_share, 1),
                  "% of that from the true colours");
    event.text = str(seen, "; ",
                     event.stop ? "for the fourth time, so the run ends with its best weights"
                                : str(means_.penalty ? "penalty x4" : "its learning rate halved",
                                      ", back to the last healthy networks, starting again"));
    events.push_back(event);
  } else if (balanced > kDominating || s.sign_real > kAllAbove) {
    if (means_.penalty) scale(knobs.gamma, 2);
    scale(knobs.lr_discriminator, 0.5);
    if (means_.augmentation) shift(knobs.augment_offset, 0.1);
    events.push_back({HealthState::d_dominating,
                      str("D is right on ", percent(balanced), " of the photos; ",
                          listed({means_.penalty ? "penalty x2" : "", "its learning rate halved",
                                  means_.augmentation ? "more augmentation" : ""}))});
  }

  const bool blind =
      balanced < kBlind || (s.accuracy_real > kAllReal && s.accuracy_fake < kNoneFake);
  blind_epochs_ = blind ? blind_epochs_ + 1 : 0;
  if (blind_epochs_ >= kBlindEpochs) {
    blind_epochs_ = 0;
    if (means_.penalty) scale(knobs.gamma, 0.5);
    if (means_.augmentation) shift(knobs.augment_offset, -0.1);
    HealthEvent event = {
        HealthState::d_blind,
        str("D is right on ", percent(s.accuracy_real), " of real and ", percent(s.accuracy_fake),
            " of generated photos; ",
            listed({means_.penalty ? "penalty halved" : "",
                    means_.augmentation ? "less augmentation" : "", "an epoch for D alone"}))};
    event.discriminator_only = true;
    events.push_back(event);
  }

  if (const std::string lost = lost_colors(s); !lost.empty()) {
    if (means_.moments) scale(knobs.moments, 2);
    events.push_back(
        {HealthState::color_collapse,
         str(lost, "; ",
             listed({means_.moments ? "moment loss x2" : "", "back to the last healthy networks"})),
         true});
  }
  keep_best_colors(s);

  const double bias = std::max(std::abs(s.bias_a), std::abs(s.bias_b));
  drift_epochs_ = bias > kTint && bias > last_bias_ ? drift_epochs_ + 1 : 0;
  last_bias_ = bias;
  if (drift_epochs_ >= kTintEpochs) {
    drift_epochs_ = 0;
    scale(knobs.adversarial_ratio, 0.5);
    events.push_back({HealthState::tint_drift,
                      str("photos drift by ", fixed(bias, 1),
                          " CIELAB units towards one colour; adversarial share halved")});
  }

  if (best_ciede_ == 0 || s.ciede2000 < best_ciede_) best_ciede_ = s.ciede2000;
  const bool worse = s.ciede2000 > kWorse * best_ciede_ && s.train_loss < last_train_loss_;
  worse_epochs_ = worse ? worse_epochs_ + 1 : 0;
  last_train_loss_ = s.train_loss;
  if (worse_epochs_ >= kWorseEpochs) {
    HealthEvent event = {
        HealthState::overfit,
        str("CIEDE2000 on validation photos is ", fixed(s.ciede2000, 2), " and was ",
            fixed(best_ciede_, 2),
            ", while the training loss falls; the run ends with its best weights")};
    event.stop = true;
    events.push_back(event);
  }
  return events;
}

std::string Autopilot::lost_colors(const Signals& s) const {
  struct Color {
    const char* text;
    double now, least, best;
  };
  for (const Color& color :
       {Color{"colours are at ", s.colorfulness_ratio, kGray, best_colorfulness_},
        Color{"the variety of colours is at ", s.entropy_ratio, kFew, best_entropy_},
        Color{"photos differ by ", s.variety_ratio, kAllAlike, best_variety_}}) {
    if (color.now < color.least && color.now < kFallen * color.best) {
      return str(color.text, percent(color.now), " of the truth's, after ", percent(color.best));
    }
  }
  return "";
}

// What supervision itself gave up by now is not the discriminator's fault, nor in the networks to go
// back to.
void Autopilot::remember_colors(const Signals& s) {
  best_colorfulness_ = best_entropy_ = best_variety_ = 0;
  keep_best_colors(s);
}

void Autopilot::keep_best_colors(const Signals& s) {  // fmax: NaN is no number to keep
  best_colorfulness_ = std::fmax(best_colorfulness_, s.colorfulness_ratio);
  best_entropy_ = std::fmax(best_entropy_, s.entropy_ratio);
  best_variety_ = std::fmax(best_variety_, s.variety_ratio);
}

void Knobs::state(Archive& archive) {
  archive.number("knobs.gamma", gamma);
  archive.number("knobs.lr_discriminator", lr_discriminator);
  archive.number("knobs.adversarial_ratio", adversarial_ratio);
  archive.number("knobs.moments", moments);
  archive.number("knobs.augment_offset", augment_offset);
}

void Autopilot::state(Archive& archive) {
  archive.number("autopilot.won_epochs", won_epochs_);
  archive.number("autopilot.won_times", won_times_);
  archive.number("autopilot.blind_epochs", blind_epochs_);
  archive.number("autopilot.drift_epochs", drift_epochs_);
  archive.number("autopilot.worse_epochs", worse_epochs_);
  archive.number("autopilot.last_bias", last_bias_);
  archive.number("autopilot.best_ciede", best_ciede_);
  archive.number("autopilot.last_train_loss", last_train_loss_);
  archive.number("autopilot.best_colorfulness", best_colorfulness_);
  archive.number("autopilot.best_entropy", best_entropy_);
  archive.number("autopilot.best_variety", best_variety_);
}

}  // namespace gan
