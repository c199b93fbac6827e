#include "kernels/cases/backend_parity.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <exception>
#include <iomanip>
#include <limits>
#include <optional>

#include "engine/parallel.h"
#include "kernels/reference/reference_backend.h"

namespace gan::cases {
namespace {

constexpr uint64_t kSeed = 20240229;

std::string index_text(const Shape& s, int64_t element) {
  return str("[", element / (s.h * s.w * s.c), ", ", element / (s.w * s.c) % s.h, ", ",
             element / s.c % s.w, ", ", element % s.c, "]");
}

double rms_of(const std::vector<double>& values) {
  double squares = 0;
  for (const double value : values) squares += value * value;
  return values.empty() ? 0 : std::sqrt(squares / static_cast<double>(values.size()));
}

// The length of the sum behind one element of an output. Where pictures come out beside sums, as of
// losses and batch norm, each of their elements is computed by itself.
int64_t terms_behind(const OpCase& c, const Field& field) {
  const bool elementwise = op_of(c.function) == Op::loss || op_of(c.function) == Op::batch_norm;
  return elementwise && field.content == Content::data ? 1 : reduction_length(c);
}

// The comparison of one case; keeps the worst element.
class Comparison {
 public:
  explicit Comparison(const CaseCheck& check) : check_(check) {}

  // Compares one output with the reference's result, to which its old values are added if the call
  // was to accumulate.
  void compare(const Field& field, Write write, const std::vector<double>& result,
               const std::vector<double>& all_actual) {
    const OpCase& c = check_.op_case();
    const Precision precision = check_.precision();
    const Sample& sample = check_.sample();
    const Tolerance& tolerance = tolerance_for(op_of(c.function), precision);
    const DType stored = type_of(field, precision);
    const int64_t terms = terms_behind(c, field);
    const double rms = rms_of(result);
    const bool adds = field.accumulates && write == Write::accumulate;
    const std::vector<double> actual = sample.pick(field, all_actual);
    const std::vector<double> olds =
        adds ? sample.pick(field, check_.values().find(field.name)->second) : std::vector<double>();
    for (size_t i = 0; i < result.size(); ++i) {
      const double old = adds ? olds[i] : 0, expected = result[i] + old;
      const double allowed =
          allowed_error(tolerance, precision, stored, terms, rms, result[i], old);
      const double error = std::abs(actual[i] - expected);
      double used = error == 0 ? 0 : 100 * error / allowed;
      if (std::isnan(used)) used = std::numeric_limits<double>::infinity();
      if (used <= used_ && !where_.empty()) continue;
      used_ = used;
      where_ = str(std::setprecision(9), field.name,
                   index_text(field.shape, sample.place(field, static_cast<int64_t>(i))),
                   adds ? " (accumulated)" : "", " is ", actual[i], ", reference ", expected, ", ",
                   fixed(used, used < 10 ? 1 : 0), "% of the tolerance");
    }
  }

  void fail(const std::string& what) {
    if (failure_.empty()) failure_ = what;
  }

  ParityReport report() const {
    ParityReport report;
    const bool equal = failure_.empty() && used_ <= 100;
    report.outcome = equal ? ParityReport::Outcome::equal : ParityReport::Outcome::different;
    report.budget_used = used_;
    report.text = str(check_.op_case().name, " (", gan::name_of(data_type(check_.precision())),
                      ", seed ", kSeed, "): ", where_, failure_.empty() ? "" : "; ", failure_);
    return report;
  }

 private:
  const CaseCheck& check_;
  double used_ = 0;
  std::string where_, failure_;
};

// NaNs with different bits are the same value here; everything else must agree in every bit.
bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](double x, double y) {
    return std::bit_cast<uint64_t>(x) == std::bit_cast<uint64_t>(y) ||
           (std::isnan(x) && std::isnan(y));
  });
}

// Everything the call wrote, by name.
Values written_by_call(const OpTensors& tensors) {
  Values written;
  for (const Field& field : tensors.fields())
    if (field.role != Role::input) written[field.name] = tensors.values(field.name);
  return written;
}

// One call of the candidate, compared with the reference's results; what it wrote.
Values compare_call(Comparison& comparison, const CaseCheck& check, Backend& candidate,
                    OpTensors& tensors, Write write, uint64_t version) {
  tensors.fill(check.values(), write);
  try {
    tensors.run(candidate, write, version);
  } catch (const std::exception& error) {
    comparison.fail(str("threw: ", error.what()));
    return written_by_call(tensors);
  }
  const std::string damage = tensors.damage();
  if (!damage.empty()) comparison.fail(damage);
  Values written = written_by_call(tensors);
  for (const auto& [name, result] : check.results())
    comparison.compare(tensors.field(name), write, result, written.find(name)->second);
  return written;
}

bool supports(const Backend& candidate, const OpCase& op_case, Precision precision) {
  return candidate.supports(call_of(op_case, call_type(op_case, precision)));
}

ParityReport unsupported(const Backend& candidate, const OpCase& op_case) {
  ParityReport report;
  report.text = str(op_case.name, ": not supported by ", candidate.name());
  return report;
}

}  // namespace

CaseCheck::CaseCheck(const OpCase& op_case, Precision precision, Extent extent)
    : case_(op_case),
      precision_(precision),
      sample_(op_case, extent),
      values_(make_values(op_case, precision, kSeed)) {
  Values inputs;
  for (const Field& field : fields_of(op_case))
    inputs[field.name] = sample_.pick(field, values_[field.name]);
  OpTensors exact(host_memory(), sample_.part(), Precision::f64);
  exact.fill(inputs, Write::overwrite);
  exact.run(*make_reference_backend(), Write::overwrite);
  results_ = written_by_call(exact);
}

ParityReport CaseCheck::run(Backend& candidate, Memory& memory) const {
  if (!supports(candidate, case_, precision_)) return unsupported(candidate, case_);
  try {
    return compare(candidate, memory);
  } catch (const DeviceError& error) {  // a kernel's fault shows when its results are fetched
    throw DeviceError(str(case_.name, " (", gan::name_of(data_type(precision_)), ", ",
                          candidate.name(), "): ", error.what()));
  }
}

ParityReport CaseCheck::compare(Backend& candidate, Memory& memory) const {
  Comparison comparison(*this);
  OpTensors tensors(memory, case_, precision_);
  const Values first = compare_call(comparison, *this, candidate, tensors, Write::overwrite, 0);
  // Again, with weights that have a name: nothing kept from other calls may be mistaken for them,
  // and the result may depend on nothing but the inputs.
  const uint64_t version = next_version();
  const Values second =
      compare_call(comparison, *this, candidate, tensors, Write::overwrite, version);
  for (const auto& [name, values] : second) {
    if (!same_bits(first.find(name)->second, values)) {
      comparison.fail(str(name, " differs between two equal calls"));
    }
  }
  if (has_write(case_)) {
    compare_call(comparison, *this, candidate, tensors, Write::accumulate, version);
  }
  return comparison.report();
}

ParityReport check_backend_against_reference(Backend& candidate, Memory& memory,
                                             const OpCase& op_case, Precision precision) {
  if (!supports(candidate, op_case, precision)) return unsupported(candidate, op_case);
  return CaseCheck(op_case, precision).run(candidate, memory);
}

ParitySummary check_backend_against_reference(Backend& candidate, Memory& memory,
                                              const std::vector<OpCase>& cases,
                                              Precision precision) {
  // The reference's part takes longer than the candidate's: several cases at a time, on all cores.
  const auto group = static_cast<size_t>(4 * threads());
  ParitySummary summary;
  for (size_t first = 0; first < cases.size(); first += group) {
    std::vector<const OpCase*> supported;
    for (size_t i = first; i < std::min(first + group, cases.size()); ++i) {
      if (supports(candidate, cases[i], precision)) {
        supported.push_back(&cases[i]);
      } else {
        ++summary.unsupported;
      }
    }
    std::vector<std::optional<CaseCheck>> checks(supported.size());
    parallel_for(static_cast<int64_t>(checks.size()), [&](int64_t i) {
      checks[static_cast<size_t>(i)].emplace(*supported[static_cast<size_t>(i)], precision);
    });
    for (const std::optional<CaseCheck>& check : checks) summary.add(check->run(candidate, memory));
  }
  return summary;
}

void ParitySummary::add(const ParityReport& report) {
  ++checked;
  if (report.outcome == ParityReport::Outcome::different) failures.push_back(report.text);
  if (report.budget_used >= worst_budget_used) {
    worst_budget_used = report.budget_used;
    worst = report.text;
  }
}

std::string ParitySummary::text() const {
  constexpr size_t kShown = 10;
  std::string text = str(checked, " cases checked, ", unsupported, " not supported, ",
                         failures.size(), " different\nworst: ", worst);
  for (size_t i = 0; i < std::min(kShown, failures.size()); ++i) text += "\n  " + failures[i];
  return text;
}

}  // namespace gan::cases
