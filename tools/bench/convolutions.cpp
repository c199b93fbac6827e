#include "tools/bench/convolutions.h"

#include <algorithm>

#include "kernels/onednn/stand_alone.h"

namespace gan::bench {
namespace {

constexpr uint64_t kSeed = 1;

// The functions stand in the order of their Ops.
cases::OpCase case_of(const Call& call) {
  cases::OpCase op_case;
  op_case.name = name_of(call.op);
  op_case.function = static_cast<cases::Function>(call.op);
  op_case.x = call.x;
  op_case.y = call.y;
  op_case.geometry = call.geometry;
  require(op_of(op_case.function) == call.op, "no function for ", name_of(call.op));
  return op_case;
}

double* known_best(Session& session, const Subject& subject, const Call& call) {
  for (BestTime& best : session.best_times) {
    if (best.backend == subject.backend && best.call == call) return &best.seconds;
  }
  return nullptr;
}

double best_time(Session& session, Subject& subject, const Call& call, Backend& backend) {
  const cases::OpCase op_case = case_of(call);
  const cases::Precision precision = case_precision(subject.device);
  const double flop = 2.0 * static_cast<double>(multiply_adds(op_case));
  const double estimate =
      least_seconds(subject.peaks, flop, static_cast<double>(least_bytes(op_case, precision)));
  const double seconds = session.options.seconds * kOperationShare;
  const cases::Values values = make_values(op_case, precision, kSeed);
  double best =
      time_call(subject.device.memory, backend, op_case, precision, values, seconds, estimate)
          .median;
  if (session.vendor) {
    Backend& vendor = session.vendor->kernels(call);
    if (vendor.name() == session.vendor_backend && vendor.name() != backend.name()) {
      best = std::min(best, time_call(session.vendor->memory, vendor, op_case, precision, values,
                                      seconds, estimate)
                                .median);
    }
  }
  const double free = time_free_layout(subject.device, call, seconds, estimate);
  return free > 0 ? std::min(best, free) : best;
}

}  // namespace

void note_best(Session& session, const Subject& subject, const Call& call, double seconds) {
  if (!known_best(session, subject, call))
    session.best_times.push_back({subject.backend, call, seconds});
}

double sum_of_convolutions(Session& session, Subject& subject, const std::function<void()>& work) {
  const std::vector<Kernels::Choice> before = subject.device.kernels.choices();
  work();
  if (!session.options.convolutions) return 0;
  const std::vector<Kernels::Choice> after = subject.device.kernels.choices();
  double sum = 0;
  for (size_t i = 0; i < after.size(); ++i) {
    const Kernels::Choice& choice = after[i];
    const int64_t uses = choice.uses - (i < before.size() ? before[i].uses : 0);
    if (uses == 0 || choice.call.op > Op::conv_transpose_backward_weights) continue;
    if (!known_best(session, subject, choice.call)) {
      note_best(session, subject, choice.call,
                best_time(session, subject, choice.call, *choice.backend));
    }
    sum += static_cast<double>(uses) * *known_best(session, subject, choice.call);
  }
  return sum;
}

}  // namespace gan::bench
