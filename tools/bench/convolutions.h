// What a network's convolutions would take alone: the floor that whole steps are measured against.
#pragma once

#include "tools/bench/bench.h"

namespace gan::bench {

// Notes how long a call took at its best, for the sums below.
void note_best(Session& session, const Subject& subject, const Call& call, double seconds);

// Runs `work` and adds up, for each convolution that it asked the subject's kernels for, the best time of
// that call alone: the subject's own, the vendor's in the same layout, the vendor's in any layout.
// Calls not known yet are timed. 0 when the work asked for none, as recorded work does, or the options say
// that nobody wants to know.
double sum_of_convolutions(Session& session, Subject& subject, const std::function<void()>& work);

}  // namespace gan::bench
