#include "train/report/facts.h"

#include <algorithm>
#include <cmath>

namespace gan {
namespace {

// As the stable recipe numbers them.
constexpr const char* kPhases[] = {"supervised", "D alone", "joint"};

}  // namespace

std::vector<double> RunFacts::column(const std::string& name) const {
  std::vector<double> values;
  if (rows.empty()) return values;
  const NamedValues& names = rows.front();
  const auto found = std::find_if(names.begin(), names.end(),
                                  [&](const auto& field) { return field.first == name; });
  if (found == names.end()) return values;
  const auto at = static_cast<size_t>(found - names.begin());
  for (const NamedValues& row : rows) values.push_back(row.at(at).second);
  return values;
}

int RunFacts::best_row() const {
  const std::vector<double> best = column("best");
  const auto last = std::find(best.rbegin(), best.rend(), 1.0);
  return static_cast<int>(best.rend() - last) - 1;
}

std::vector<PhaseSpan> phases_of(const RunFacts& facts) {
  const std::vector<double> epochs = facts.column("epoch"), phases = facts.column("phase");
  std::vector<PhaseSpan> spans;
  for (size_t i = 0; i < phases.size(); ++i) {
    if (!(phases[i] >= 0 && phases[i] < std::size(kPhases))) continue;
    const char* name = kPhases[static_cast<size_t>(phases[i])];
    const int epoch = static_cast<int>(epochs[i]);
    if (spans.empty() || spans.back().name != name) spans.push_back({epoch, epoch, name});
    spans.back().last_epoch = epoch;
  }
  return spans;
}

}  // namespace gan
