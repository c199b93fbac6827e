// run/index.html: a training run as one page that opens from disk.
#pragma once

#include <string>

#include "train/report/facts.h"
#include "train/report/samples.h"

namespace gan {

// The whole page: no other file, script, font or address is needed to look at it. Numbers are
// written as in log.csv. Of runs longer than `most_rows` epochs some are left out, never the first,
// the last or the best.
std::string report_page(const RunFacts& facts, const SampleStrips& samples,
                        size_t most_rows = 2000);

}  // namespace gan
