// How long something takes, on a machine that does other things too.
#pragma once

#include <functional>
#include <vector>

#include "engine/memory.h"

namespace gan::bench {

struct Timing {
  double median = 0, p5 = 0, p95 = 0;  // seconds
  int repeats = 0;
};

// Runs `body` until its time settles, then as often as fits into `seconds`, at least a few times.
// `body` must wait for its own result.
Timing measure(double seconds, const std::function<void()>& body);

// The same for work that a device is given while it works: `give` gives it one more, `wait` waits until
// all is done. With a burst of more than one the time is that from one to the next.
Timing measure(double seconds, int burst, const std::function<void()>& give,
               const std::function<void()>& wait);

// The same for short work of which one run is estimated at `estimate` seconds: in bursts long enough for the
// clock, and recorded where the memory records. It has run before, and all its memory is there.
Timing measure_repeated(Memory& memory, double seconds, double estimate,
                        const std::function<void()>& give, const std::function<void()>& wait);

// How many runs of work estimated at `seconds` make a burst long enough for the clock and, on a device that
// works while the host goes on, for the wait at its end not to count.
int burst_for(double seconds);

// The value below which `share` (0..1) of the sorted numbers lie, interpolated.
double quantile(const std::vector<double>& sorted, double share);

}  // namespace gan::bench
