#include "train/state/settings.h"

#include <charconv>
#include <type_traits>

#include "engine/error.h"

namespace gan {
namespace {

// Calls visit(name, field, recipe) for every setting that shapes the result; `recipe` is the one it
// belongs to, empty for both. The names are those of gan_train's options.
template <class Settings, class Visit>
void for_each_field(Settings& s, Visit&& visit) {
  visit("recipe", s.recipe, "");
  visit("model", s.model, "");
  visit("width", s.width, "");
  visit("init", s.init, "");
  visit("epochs", s.epochs, "");
  visit("batch_size", s.batch_size, "");
  visit("lr_g", s.lr_generator, "");
  visit("lr_d", s.lr_discriminator, "");
  visit("validation", s.validation, "");
  visit("seed", s.seed, "");
  visit("time_limit_minutes", s.time_limit_minutes, "");
  visit("l1", s.l1_weight, "classic");
  visit("d_accuracy_limit", s.d_accuracy_limit, "classic");
  visit("noise_every", s.noise_every, "classic");
  visit("dropout", s.dropout, "classic");
  visit("head", s.head, "stable");
  visit("supervised", s.supervised, "stable");
  visit("adversary", s.adversary, "stable");
  visit("adversarial_ratio", s.adversarial_ratio, "stable");
  visit("smoothness", s.smoothness, "stable");
  visit("r1_gamma", s.r1_gamma, "stable");
  visit("r2_gamma", s.r2_gamma, "stable");
  visit("penalty_every", s.penalty_every, "stable");
  visit("label_smoothing", s.label_smoothing, "stable");
  visit("moment_weight", s.moment_weight, "stable");
  visit("coherence_weight", s.coherence_weight, "stable");
  visit("balance_hues", s.balance_hues, "stable");
  visit("move_photos", s.move_photos, "stable");
  visit("augment", s.augment, "stable");
  visit("ema", s.ema, "stable");
  visit("anneal", s.anneal, "stable");
  visit("autopilot", s.autopilot, "stable");
}

std::string to_text(const std::string& value) {
  return value;
}
std::string to_text(bool value) {
  return value ? "yes" : "no";
}
template <class T>
std::string to_text(T value) {
  char digits[64];
  return std::string(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}
std::string to_text(const std::optional<double>& value) {
  return value ? to_text(*value) : "";
}

void from_text(const std::string& text, const char*, std::string& value) {
  value = text;
}
template <class T>
void from_text(const std::string& text, const char* name, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    value = text == "yes";
  } else {
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (result.ec != std::errc() || result.ptr != text.data() + text.size()) {
      throw DataError(str("setting ", name, " is '", text, "', expected a number"));
    }
  }
}
void from_text(const std::string& text, const char* name, std::optional<double>& value) {
  value.reset();
  if (!text.empty()) from_text(text, name, value.emplace());
}

}  // namespace

std::map<std::string, std::string> TrainSettings::as_metadata() const {
  std::map<std::string, std::string> all;
  for_each_field(*this, [&](const char* name, const auto& value, std::string_view of) {
    if (of.empty() || of == recipe) all[name] = to_text(value);
  });
  return all;
}

std::map<std::string, std::string> TrainSettings::to_texts() const {
  std::map<std::string, std::string> all;
  for_each_field(*this, [&](const char* name, const auto& value, std::string_view) {
    all[name] = to_text(value);
  });
  return all;
}

void TrainSettings::from_texts(const std::map<std::string, std::string>& texts) {
  for_each_field(*this, [&](const char* name, auto& value, std::string_view) {
    if (const auto found = texts.find(name); found != texts.end()) {
      from_text(found->second, name, value);
    }
  });
}

}  // namespace gan
