// What a benchmark is asked and what it answers. Each level is one file with one function; its
// name stands in levels().
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kernels/device.h"
#include "tools/bench/timing.h"

namespace gan::bench {

struct Options {
  int width = 64;
  int batch_size = 16;
  double seconds = 3;  // of measuring a row
};

// One thing measured.
struct Row {
  std::string level, name;
  int width = 0, batch_size = 0;
  double photos = 0;  // in one run
  double flop = 0;    // of one run
  // Against the reference backend on a small case, before it is timed; above the limit it is not.
  double error = 0, limit = 0;
  Timing timing = {};
  std::string note = "";  // what it means, in a few words

  bool correct() const { return error <= limit; }
};

using Level = std::vector<Row> (*)(Device& device, const Options& options);
const std::vector<std::pair<std::string, Level>>& levels();

// The generator alone: inference, and forward with backward.
std::vector<Row> network_level(Device& device, const Options& options);
// Training steps: the classic recipe's, and the stable one's in its phases.
std::vector<Row> step_level(Device& device, const Options& options);

// Photo files in and out, beside the network alone.
std::vector<Row> image_level(Device& device, const Options& options);
// How often work is given to the device before it is waited for.
int burst_of(const Device& device);

// Norm of the difference over norm of the expected values.
double relative_error(const std::vector<float>& value, const std::vector<float>& expected);

}  // namespace gan::bench
