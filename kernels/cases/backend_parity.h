// Holds any backend against the reference, case by case.
#pragma once

#include <string>
#include <vector>

#include "kernels/cases/sample.h"

namespace gan::cases {

// What came out of one case.
struct ParityReport {
  enum class Outcome { equal, different, unsupported };
  Outcome outcome = Outcome::unsupported;
  // The worst element's share of what it may be off by, in percent.
  double budget_used = 0;
  // The case, and where it is worst: tensor, index, both values, share of the budget.
  std::string text;
};

// One case with seeded inputs, and what the reference makes of them in float64.
class CaseCheck {
 public:
  explicit CaseCheck(const OpCase& op_case, Precision precision = Precision::f32,
                     Extent extent = Extent::whole);

  // Runs the candidate, whose tensors live in `memory`, and compares its results with the
  // reference's. Outputs hold NaN beforehand; the guards around every tensor must survive. Called
  // twice, a candidate must give the same bits. Where the function takes a Write, accumulating must
  // differ from overwriting by exactly the old values.
  // Nothing is called when candidate.supports() says no. Throws a DeviceError that names the case when the device
  // fails.
  ParityReport run(Backend& candidate, Memory& memory) const;

  const OpCase& op_case() const { return case_; }
  Precision precision() const { return precision_; }
  const Sample& sample() const { return sample_; }
  const Values& values() const { return values_; }
  const Values& results() const { return results_; }  // of the sample

 private:
  ParityReport compare(Backend& candidate, Memory& memory) const;

  OpCase case_;
  Precision precision_;
  Sample sample_;
  Values values_, results_;
};

ParityReport check_backend_against_reference(Backend& candidate, Memory& memory,
                                             const OpCase& op_case,
                                             Precision precision = Precision::f32);

// The sum over many cases.
struct ParitySummary {
  int checked = 0;
  int unsupported = 0;
  double worst_budget_used = 0;
  std::string worst;                  // text of the report that used most of its budget
  std::vector<std::string> failures;  // texts of the reports that differ

  void add(const ParityReport& report);  // of a case that is supported
  // A few lines for a person: the counts, the worst case, the first failures.
  std::string text() const;
};
ParitySummary check_backend_against_reference(Backend& candidate, Memory& memory,
                                              const std::vector<OpCase>& cases,
                                              Precision precision = Precision::f32);

}  // namespace gan::cases
