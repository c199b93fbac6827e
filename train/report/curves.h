// run/curves.svg: all figures of a run on one sheet, for papers and slides.
#pragma once

#include <string>
#include <vector>

#include "train/report/facts.h"

namespace gan {

// Dark on white, without a script; text stays text. Of the figures in figures.h those of which the
// run has numbers.
std::string curves_svg(const RunFacts& facts);

// Round numbers (1, 2 or 5 times a power of ten apart) within from .. to, about `count` of them.
// Throws InternalError unless from < to and both are finite.
std::vector<double> round_ticks(double from, double to, int count);
// The same for a logarithmic axis: powers of ten, on shorter ones twice and five times those as well;
// 0 < from < to.
std::vector<double> decade_ticks(double from, double to);

}  // namespace gan
