#include "train/recipe/numerics.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "engine/error.h"
#include "train/recipe/health.h"

namespace gan {
namespace {

constexpr int kMostInARow = 25;  // dropped updates
constexpr int kMostReturns = 3;  // to healthy networks, without a whole epoch after any of them

bool finite(const ParameterSet& parameters, const Tensor& tensor) {
  const std::vector<float> values = to_host(parameters.memory(), tensor);
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

}  // namespace

NotFinite find_not_finite(const NamedNetworks& networks) {
  for (const bool learned : {true, false}) {
    for (const auto& [name, parameters] : networks) {
      if (learned && finite(*parameters, parameters->values())) continue;
      for (const Parameter& p : parameters->all()) {
        if (p.learned != learned || finite(*parameters, p.value)) continue;
        return {str(learned ? "the weights " : "the running statistics ", name, ".", p.name), true};
      }
    }
  }
  return {};
}

bool NumericsGuard::observe(uint64_t step, const NotFinite& found) {
  if (found.what.empty()) {
    in_a_row_ = 0;
    return false;
  }
  ++in_a_row_;
  if (dropped_++ == 0) first_ = str("the first at step ", step, ", not finite: ", found.what);
  if (!found.lasting && in_a_row_ < kMostInARow) return false;
  const std::string why =
      str("step ", step, ", not finite", found.lasting ? "" : str(" for ", kMostInARow, " steps"),
          ": ", found.what);
  if (returns_ == kMostReturns) {
    throw DataError(str(why, "; going back to healthy networks ", kMostReturns,
                        " times did not help, try smaller ", rates_));
  }
  in_a_row_ = 0;
  ++returns_;
  returned_ = true;
  rate_ /= 2;
  events_ += str(name_of(HealthState::numerics), ": ", why,
                 "; back to the last healthy networks, learning rates halved\n");
  return true;
}

std::vector<std::string> NumericsGuard::end_epoch() {
  std::vector<std::string> texts;
  std::istringstream lines(events_);
  for (std::string line; std::getline(lines, line);) texts.push_back(line);
  if (texts.empty() && dropped_ > 0) {
    texts.push_back(str(name_of(HealthState::numerics), ": ", dropped_,
                        dropped_ == 1 ? " update" : " updates", " dropped, ", first_));
  }
  healthy_ = !returned_ && in_a_row_ == 0;
  if (healthy_) returns_ = 0;
  dropped_ = 0;
  returned_ = false;
  first_.clear();
  events_.clear();
  return texts;
}

void NumericsGuard::state(Archive& archive) {
  archive.number("numerics.in_a_row", in_a_row_);
  archive.number("numerics.dropped", dropped_);
  archive.number("numerics.returns", returns_);
  archive.number("numerics.returned", returned_);
  archive.number("numerics.healthy", healthy_);
  archive.number("numerics.rate", rate_);
  archive.text("numerics.first", first_);
  archive.text("numerics.events", events_);
}

}  // namespace gan
