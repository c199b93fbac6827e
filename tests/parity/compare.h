// Comparing what the engine computes with golden values, tensor by tensor and group by group.
#pragma once

#include <string>
#include <vector>

#include "model/tensor_file.h"

namespace gan::parity {

// One kind of golden values: the worst of its tensors counts.
struct Group {
  std::string name;
  double limit = 0;
  int compared = 0;
  double worst = 0;     // relative error
  double unnudged = 0;  // the error before a better trial was kept
  std::string worst_tensor = {};
  std::vector<std::string> missing = {};  // tensors that the file does not hold

  std::string note = {};  // what the reader should know about how `worst` came about

  bool ok() const { return worst <= limit; }  // false for a worst error that is not a number
  void add(const std::string& tensor, double error);
  // Takes over the result of a later trial (golden.cpp, kNudge) if it is better, and notes it.
  void keep_better(const Group& other, int trial);
};

struct Report {
  std::string title;
  std::vector<Group> groups;

  bool ok() const;
  // One row a group, then what the file lacks.
  std::string text() const;
};

// Norm of the difference over norm of the value. 0 when both are all zero.
double relative_error(const std::vector<double>& value, const std::vector<double>& expected);
// N,C,H,W (files) to N,H,W,C (memory).
std::vector<double> to_channels_last(const std::vector<double>& values, int64_t n, int64_t c,
                                     int64_t h, int64_t w);

// The first of the names, and how many more there are.
std::string summary_of(const std::vector<std::string>& names);

}  // namespace gan::parity
