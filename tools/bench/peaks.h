// What the machine can do at its best, measured: what shares of a peak are shares of.
#pragma once

#include <string>

#include "kernels/device.h"

namespace gan::bench {

struct Peaks {
  double flop = 0;       // a second, in the device's precision
  double bytes = 0;      // a second, read and written
  const char* how = "";  // what was measured
};

// CPU: multiply-adds in registers, and copies of blocks that no cache holds, on all threads. GPU: a large
// convolution by the device's own choice of kernels, and a copy.
Peaks measure_peaks(Device& device);

// The least time that so much work can take.
double least_seconds(const Peaks& peaks, double flop, double bytes);

}  // namespace gan::bench
