// A part of a case that is quick to compute: a few pictures and channels of its results, from all that
// they depend on. So the plain loops of the reference can say whether a call of any size is right.
#pragma once

#include <vector>

#include "kernels/cases/op_tensors.h"

namespace gan::cases {

// How much of a case's results are looked at.
enum class Extent : uint8_t { whole, sample };

class Sample {
 public:
  Sample(const OpCase& op_case, Extent extent);

  // The case that remains.
  const OpCase& part() const { return part_; }
  // What remains of the dense values of one of the whole case's fields.
  std::vector<double> pick(const Field& field, const std::vector<double>& values) const;
  // Where in the whole field an element of what remains is.
  int64_t place(const Field& field, int64_t element) const;

 private:
  // Which pictures and channels of a field remain; for weights, which of their first and last axis.
  struct Axes {
    std::vector<int64_t> first, last;
  };
  Axes axes_of(const Field& field) const;

  OpCase part_;
  bool whole_ = true;
  std::vector<int64_t> pictures_, x_channels_, y_channels_;
};

}  // namespace gan::cases
