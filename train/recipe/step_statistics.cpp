#include "train/recipe/step_statistics.h"

#include <cmath>
#include <iterator>
#include <limits>

namespace gan {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kMemory = 0.99;

// Which steps measure a number.
enum class When : uint8_t { generator, discriminator, penalty, adversary };

bool measured(When when, const StepPlan& plan) {
  switch (when) {
    case When::generator:
      return plan.train_generator;
    case When::discriminator:
      return plan.train_discriminator;
    case When::penalty:
      return plan.train_discriminator && (plan.r1_gamma > 0 || plan.r2_gamma > 0);
    case When::adversary:
      return plan.adversarial_ratio > 0;
  }
  return false;
}

struct Number {
  const char* name;
  double StepReport::*member;
  When when;
};

using R = StepReport;
constexpr Number kNumbers[] = {
    {"chroma", &R::chroma, When::generator},
    {"moments", &R::moments, When::generator},
    {"coherence", &R::coherence, When::generator},
    {"discriminator", &R::discriminator, When::discriminator},
    {"adversarial", &R::adversarial, When::adversary},
    {"r1", &R::r1, When::penalty},
    {"r2", &R::r2, When::penalty},
    {"logit_real", &R::logit_real, When::discriminator},
    {"logit_fake", &R::logit_fake, When::discriminator},
    {"spread_real", &R::spread_real, When::discriminator},
    {"spread_fake", &R::spread_fake, When::discriminator},
    {"sign_real", &R::sign_real, When::discriminator},
    {"accuracy_real", &R::accuracy_real, When::discriminator},
    {"accuracy_fake", &R::accuracy_fake, When::discriminator},
    {"accuracy_pairs", &R::accuracy_pairs, When::discriminator},
    {"adversarial_share", &R::adversarial_share, When::adversary},
    {"adversarial_weight", &R::adversarial_weight, When::adversary},
};
constexpr size_t kCount = std::size(kNumbers);

}  // namespace

StepStatistics::StepStatistics() : sums_(kCount), smoothed_(kCount, kNone), counts_(kCount) {}

void StepStatistics::add(const StepReport& report, const StepPlan& plan) {
  if (!report.finite) {
    ++skipped_;
    return;
  }
  for (size_t i = 0; i < kCount; ++i) {
    if (!measured(kNumbers[i].when, plan)) continue;
    const double value = report.*kNumbers[i].member;
    sums_[i] += value;
    ++counts_[i];
    smoothed_[i] =
        std::isnan(smoothed_[i]) ? value : kMemory * smoothed_[i] + (1 - kMemory) * value;
  }
}

void StepStatistics::add(const StableNorms& norms) {
  if (!norms.generator.empty()) norms_.generator = norms.generator;
  if (!norms.discriminator.empty()) norms_.discriminator = norms.discriminator;
}

void StepStatistics::begin_epoch() {
  sums_.assign(kCount, 0);
  counts_.assign(kCount, 0);
  skipped_ = 0;
}

StepReport StepStatistics::mean() const {
  StepReport mean;
  for (size_t i = 0; i < kCount; ++i) {
    mean.*kNumbers[i].member = counts_[i] > 0 ? sums_[i] / counts_[i] : kNone;
  }
  return mean;
}

bool StepStatistics::with_discriminator() const {
  return !std::isnan(mean().discriminator);
}
bool StepStatistics::with_adversary() const {
  return !std::isnan(mean().adversarial);
}

NamedValues StepStatistics::smoothed() const {
  NamedValues values;
  for (size_t i = 0; i < kCount; ++i) values.emplace_back(kNumbers[i].name, smoothed_[i]);
  return values;
}

void StepStatistics::state(Archive& archive) {
  for (size_t i = 0; i < kCount; ++i) {
    archive.number(str("sums.", kNumbers[i].name), sums_[i]);
    archive.number(str("counts.", kNumbers[i].name), counts_[i]);
    archive.number(str("smoothed.", kNumbers[i].name), smoothed_[i]);
  }
  archive.number("sums.skipped", skipped_);
  for (auto& [network, layers] :
       {std::pair{"generator", &norms_.generator}, {"discriminator", &norms_.discriminator}}) {
    size_t count = layers->size();
    archive.number(str("norms.", network), count);
    // A checkpoint is only a file.
    if (count > 1000) throw DataError(str("a checkpoint with the norms of ", count, " layers"));
    layers->resize(count);
    for (size_t i = 0; i < count; ++i) {
      LayerNorms& layer = (*layers)[i];
      const std::string name = str("norms.", network, ".", i);
      archive.text(name, layer.name);
      archive.number(name + ".weight", layer.weight);
      archive.number(name + ".gradient", layer.gradient);
      archive.number(name + ".update", layer.update);
    }
  }
}

}  // namespace gan
