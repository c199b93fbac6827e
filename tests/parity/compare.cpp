#include "tests/parity/compare.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/error.h"

namespace gan::parity {
namespace {

constexpr size_t kNamesShown = 3;  // of the tensors a file lacks

std::string row(const std::string& name, const std::string& count, const std::string& error,
                const std::string& limit, const std::string& verdict) {
  char text[256];
  std::snprintf(text, sizeof(text), "  %-28s %7s  %11s  %7s  ", name.c_str(), count.c_str(),
                error.c_str(), limit.c_str());
  return text + verdict + "\n";
}

std::string scientific(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.*e", digits, value);
  return text;
}

}  // namespace

void Group::add(const std::string& tensor, double error) {
  // A NaN is worse than any number and stays.
  if (compared == 0 || error > worst || (std::isnan(error) && !std::isnan(worst))) {
    worst = error;
    worst_tensor = tensor;
  }
  ++compared;
}

void Group::keep_better(const Group& other, int trial) {
  if (ok() || !(other.worst < worst)) return;
  // Only the first result says how far off the parameters of the file themselves are.
  if (unnudged == 0) unnudged = worst;
  note = str("  (nudged, trial ", trial, "; ", scientific(unnudged, 2), " without)");
  worst = other.worst;
  worst_tensor = other.worst_tensor;
}

bool Report::ok() const {
  return std::all_of(groups.begin(), groups.end(), [](const Group& g) { return g.ok(); });
}

std::string Report::text() const {
  std::string out = title + "\n" + row("group", "tensors", "worst error", "limit", "worst tensor");
  for (const Group& g : groups) {
    if (g.compared == 0) continue;
    out += row(g.name, std::to_string(g.compared), scientific(g.worst, 2), scientific(g.limit, 0),
               g.worst_tensor + (g.ok() ? "" : "  OFF LIMITS") + g.note);
  }
  for (const Group& g : groups) {
    if (!g.missing.empty()) {
      out += str("  not in file, ", g.name, ": ", summary_of(g.missing), "\n");
    }
  }
  return out;
}

double relative_error(const std::vector<double>& value, const std::vector<double>& expected) {
  require(value.size() == expected.size(), "comparing ", value.size(), " values with ",
          expected.size());
  double difference = 0, norm = 0;
  for (size_t i = 0; i < value.size(); ++i) {
    difference += (value[i] - expected[i]) * (value[i] - expected[i]);
    norm += expected[i] * expected[i];
  }
  if (difference == 0) return 0;
  return std::sqrt(difference / norm);
}

std::vector<double> to_channels_last(const std::vector<double>& values, int64_t n, int64_t c,
                                     int64_t h, int64_t w) {
  std::vector<double> out(values.size());
  size_t next = 0;
  for (int64_t picture = 0; picture < n; ++picture)
    for (int64_t channel = 0; channel < c; ++channel)
      for (int64_t pixel = 0; pixel < h * w; ++pixel)
        out[(picture * h * w + pixel) * c + channel] = values[next++];
  return out;
}

std::string summary_of(const std::vector<std::string>& names) {
  std::string out;
  for (size_t i = 0; i < std::min(names.size(), kNamesShown); ++i) {
    out += (i ? ", " : "") + names[i];
  }
  if (names.size() > kNamesShown) out += str(" and ", names.size() - kNamesShown, " more");
  return out;
}

}  // namespace gan::parity
