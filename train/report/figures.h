// Which curves a run's page shows, and how: one table, drawn by the page's script and by curves.cpp.
#pragma once

#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "train/report/facts.h"

namespace gan {

struct Curve {
  const char* column;  // of log.csv
  const char* label;
};

struct Figure {
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  enum class Scale { linear, logarithmic };

  const char* group;
  const char* key;  // the curves' folder in TensorBoard
  const char* title;
  const char* note;  // how to read it, in a few words
  std::vector<Curve> curves;
  int digits = 3;  // after the point, where values are shown
  Scale scale = Scale::linear;
  // The axis reaches at least from .. to; beyond where the values do.
  double from = kNone, to = kNone;
  double band_from = kNone, band_to = kNone;  // where values are healthy
  double line = kNone;                        // the ideal
  bool marks_best = false;                    // the epoch that weights.bin holds
};

// All that a run of any recipe may show.
const std::vector<Figure>& all_figures();
// Those of which this run has numbers, each with the curves that have any.
std::vector<Figure> figures_of(const RunFacts& facts);

nlohmann::json to_json(const Figure& figure);

}  // namespace gan
