// Every call that the networks make, alone: whether it is right, how long it takes, and how long the
// vendor's library takes for the same.
#include "kernels/cases/backend_parity.h"
#include "tools/bench/convolutions.h"

namespace gan::bench {
namespace {

using cases::CaseCheck;
using cases::OpCase;
using cases::ParityReport;

std::string shape_of(const OpCase& op_case) {
  const int stride = op_case.geometry.stride;
  const bool convolution = op_of(op_case.function) <= Op::conv_transpose_backward_weights;
  return str(op_case.x, " > ", op_case.y, convolution && stride > 1 ? str(" s", stride) : "");
}

// How many photos the check's call has: preparing and comparing millions of numbers on the host takes longer
// than everything that a GPU does.
int64_t check_batch(const Device& device, int64_t batch) {
  constexpr int64_t kMostOnGpu = 2;
  return device.memory.device() == DeviceKind::cpu ? batch : std::min(batch, kMostOnGpu);
}

// One call on one device, and its check, which is a call with fewer photos perhaps.
class Lane {
 public:
  Lane(Device& device, const OpCase& op_case, const CaseCheck& check)
      : device_(device),
        case_(op_case),
        check_(check),
        backend_(device.kernels(call_of(op_case, call_type(op_case, check.precision())))) {}

  Backend& backend() const { return backend_; }
  ParityReport check() { return check_.run(backend_, device_.memory); }
  Timing time(double seconds, double estimate) {
    return time_call(device_, backend_, case_, check_.precision(), seconds, estimate);
  }
  // For what it takes of the device's memory.
  void run_once() {
    cases::OpTensors tensors(device_.memory, case_, check_.precision());
    tensors.fill_quickly(device_.kernels);
    tensors.run(backend_, Write::overwrite);
  }

 private:
  Device& device_;
  const OpCase& case_;
  const CaseCheck& check_;
  Backend& backend_;
};

// The shortest of times, of which 0 are none.
double best_of(std::initializer_list<double> times) {
  double best = 0;
  for (const double time : times)
    if (time > 0 && (best == 0 || time < best)) best = time;
  return best;
}

bool is_right(const ParityReport& report) {
  return report.outcome == ParityReport::Outcome::equal;
}

// The vendor's times for a call; what it cannot do, or does wrong, stays 0.
void add_vendor_times(Session& session, const OpCase& op_case, const CaseCheck& check,
                      double seconds, double estimate, Row& row) {
  if (!session.vendor) return;
  Lane lane(*session.vendor, op_case, check);
  if (lane.backend().name() == session.vendor_backend && is_right(lane.check())) {
    row.vendor = lane.time(seconds, estimate).median;
  }
}

}  // namespace

std::vector<std::string> op_rows(const Options& options) {
  std::vector<std::string> names;
  for (const OpCase& op_case : cases::network_cases(options.width, options.batch_size))
    names.push_back(op_case.name);
  return names;
}

void op_level(Session& session) {
  const Options& options = session.options;
  const double seconds = options.seconds * kOperationShare;
  const cases::Precision precision = case_precision(session.subjects[0].device);
  const std::vector<OpCase> all = cases::network_cases(options.width, options.batch_size);
  const std::vector<OpCase> to_check = cases::network_cases(
      options.width, check_batch(session.subjects[0].device, options.batch_size));
  require(all.size() == to_check.size(), "a list of calls that depends on the batch size");
  for (size_t i = 0; i < all.size(); ++i) {
    const OpCase& op_case = all[i];
    if (!session.wants(op_case.name)) continue;
    const CaseCheck check(to_check[i], precision, cases::Extent::sample);
    Row common{"op", op_case.name, ""};
    common.shape = shape_of(op_case);
    common.width = options.width;
    common.batch_size = options.batch_size;
    common.flop = 2.0 * static_cast<double>(multiply_adds(op_case));
    common.bytes = static_cast<double>(least_bytes(op_case, precision));
    common.limit = 100;  // percent of the tolerance
    const auto estimate = [&](const Subject& s) {
      return least_seconds(s.peaks, common.flop, common.bytes);
    };
    const Call call = call_of(op_case, call_type(op_case, precision));
    bool others = false;
    for (Subject& subject : session.subjects) {
      Lane lane(subject.device, op_case, check);
      // What a backend leaves to others is theirs.
      if (subject.backend != "auto" && lane.backend().name() != subject.backend) continue;
      Row row = common;
      row.backend = lane.backend().name();
      row.peaks = subject.peaks;
      const MemoryMark mark(subject.device.memory);
      const ParityReport report = lane.check();
      lane.run_once();
      row.memory = mark.most();
      row.error = report.budget_used;
      if (!is_right(report)) row.wrong = report.text;
      if (row.correct()) {
        row.timing = lane.time(seconds, estimate(subject));
        if (!others) {
          add_vendor_times(session, op_case, check, seconds, estimate(subject), common);
          common.vendor_free = time_free_layout(subject.device, call, seconds, estimate(subject));
          others = true;
        }
        row.vendor = common.vendor;
        row.vendor_free = common.vendor_free;
        note_best(session, subject, call,
                  best_of({row.timing.median, row.vendor, row.vendor_free}));
      }
      session.show(row);
    }
  }
}

}  // namespace gan::bench
