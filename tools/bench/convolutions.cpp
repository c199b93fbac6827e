#include "tools/bench/convolutions.h"

#include <algorithm>

#include "kernels/onednn/stand_alone.h"

namespace gan::bench {
namespace {

// The functions stand in the order of their Ops.
cases::OpCase case_of(const Call& call) {
  cases::OpCase op_case;
  op_case.name = name_of(call.op);
  op_case.function = static_cast<cases::Function>(call.op);
  op_case.x = call.x;
  op_case.y = call.y;
  op_case.geometry = call.geometry;
  if (call.x_pitch > 0) op_case.x_margin.before = call.x_pitch - call.x.c;
  if (call.y_pitch > 0) op_case.y_margin.before = call.y_pitch - call.y.c;
  op_case.bias = op_case.inference = call.finishes;
  op_case.act = call.finishes ? Activation::relu : Activation::none;
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
  const auto time = [&](Device& device, Backend& by) {
    return time_call(device, by, op_case, precision, seconds, estimate).median;
  };
  double best = time(subject.device, backend);
  if (session.vendor) {
    Backend& vendor = session.vendor->kernels(call);
    if (vendor.name() == session.vendor_backend && vendor.name() != backend.name()) {
      best = std::min(best, time(*session.vendor, vendor));
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

std::vector<ConvolutionUse> convolutions_of(Device& device, const std::function<void()>& work) {
  const std::vector<Kernels::Choice> before = device.kernels.choices();
  work();
  const std::vector<Kernels::Choice>& after = device.kernels.choices();
  std::vector<ConvolutionUse> used;
  for (size_t i = 0; i < after.size(); ++i) {
    const int64_t uses = after[i].uses - (i < before.size() ? before[i].uses : 0);
    Call call = after[i].call;
    call.adds = false;  // alone it is timed without a sum
    if (uses > 0 && call.op <= Op::conv_transpose_backward_weights)
      used.push_back({call, after[i].backend, uses});
  }
  return used;
}

double sum_of_convolutions(Session& session, Subject& subject,
                           const std::vector<ConvolutionUse>& convolutions) {
  if (!session.options.convolutions) return 0;
  double sum = 0;
  for (const ConvolutionUse& use : convolutions) {
    if (!known_best(session, subject, use.call)) {
      note_best(session, subject, use.call, best_time(session, subject, use.call, *use.backend));
    }
    sum += static_cast<double>(use.uses) * *known_best(session, subject, use.call);
  }
  return sum;
}

}  // namespace gan::bench
