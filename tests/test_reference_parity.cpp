// The parity harness itself, tried on the reference in float32 and on backends that are wrong.
#include <catch2/catch.hpp>
#include <limits>

#include "kernels/cases/backend_parity.h"
#include "kernels/reference/reference_backend.h"

using namespace gan;
using namespace gan::cases;

namespace {

// The reference with one fault.
class FaultyBackend final : public Backend {
 public:
  enum class Fault {
    none,
    last_channel_missing,
    writes_past_slice,
    writes_before_slice,
    leaves_one_unwritten,
    changes_its_input,
    ignores_write,
    differs_from_call_to_call,
    keeps_weights_by_address,
  };
  explicit FaultyBackend(Fault fault) : fault_(fault) {}

  std::string_view name() const override { return "faulty"; }
  std::string description() const override { return ""; }
  bool supports(const Call& call) const override {
    return call.op == Op::conv_forward || call.op == Op::activation;
  }

  void conv_forward(const ConvGeometry& geometry, const Tensor& x, const Weights& w,
                    const Epilogue& epilogue, const Tensor& y) override {
    Weights used = w;
    const int64_t fewer = x.shape().c - 1;
    if (fault_ == Fault::keeps_weights_by_address && w.version != 0) {
      const auto values = to_host(host_memory(), w.values);
      if (kept_.empty()) kept_ = values;
      kept_.resize(values.size());
      from_host(host_memory(), w.values, kept_.data());
    }
    if (fault_ == Fault::last_channel_missing) {
      used.values = w.values.channels(0, fewer);
      reference_->conv_forward(geometry, x.channels(0, fewer), used, epilogue, y);
      return;
    }
    reference_->conv_forward(geometry, x, used, epilogue, y);
    float* last = y.as<float>() + (y.shape().pixels() - 1) * y.pitch() + y.shape().c - 1;
    if (fault_ == Fault::writes_past_slice) last[1] = 0;
    if (fault_ == Fault::writes_before_slice) y.as<float>()[-1] = 0;
    if (fault_ == Fault::leaves_one_unwritten) *last = std::numeric_limits<float>::quiet_NaN();
    if (fault_ == Fault::changes_its_input) *x.as<float>() += 1;
    if (fault_ == Fault::differs_from_call_to_call)
      *last *= 1 + 1e-7f * static_cast<float>(calls_++);
  }

  void activation_backward(Activation act, const Tensor& y, const Tensor& dy, const Tensor& dx,
                           Write write) override {
    if (fault_ == Fault::ignores_write) write = Write::overwrite;
    reference_->activation_backward(act, y, dy, dx, write);
  }

 private:
  Fault fault_;
  int calls_ = 0;
  std::vector<float> kept_;
  std::unique_ptr<Backend> reference_ = make_reference_backend();
};

// Convolution with pictures in bfloat16.
class HalfBackend final : public Backend {
 public:
  std::string_view name() const override { return "half"; }
  std::string description() const override { return ""; }
  bool supports(const Call& call) const override {
    return call.op == Op::conv_forward && call.dtype == DType::bf16;
  }
  void conv_forward(const ConvGeometry& geometry, const Tensor& x, const Weights& w,
                    const Epilogue& epilogue, const Tensor& y) override {
    auto in = to_host(host_memory(), x);
    std::vector<float> out(static_cast<size_t>(y.elements()));
    make_reference_backend()->conv_forward(geometry, Tensor(in.data(), x.shape(), DType::f32), w,
                                           epilogue, Tensor(out.data(), y.shape(), DType::f32));
    from_host(host_memory(), y, out.data());
  }
};

OpCase case_named(const std::string& name) {
  for (const OpCase& op_case : small_cases())
    if (op_case.name == name) return op_case;
  throw InternalError("no case " + name);
}

ParityReport report_of(FaultyBackend::Fault fault, const std::string& name) {
  FaultyBackend backend(fault);
  return check_backend_against_reference(backend, host_memory(), case_named(name));
}

}  // namespace

TEST_CASE("the reference in float32 equals the reference in float64 on every small case") {
  const auto backend = make_reference_backend();
  const auto summary = check_backend_against_reference(*backend, host_memory(), small_cases());
  INFO(summary.text());
  CHECK(summary.failures.empty());
  CHECK(summary.unsupported == 0);
  CHECK(summary.checked == static_cast<int>(small_cases().size()));
}

TEST_CASE("the reference in float32 equals the reference in float64 on the networks' shapes") {
  const auto backend = make_reference_backend();
  const auto cases = network_cases(4, 1);
  const auto summary = check_backend_against_reference(*backend, host_memory(), cases);
  INFO(summary.text());
  CHECK(summary.failures.empty());
  CHECK(summary.checked == static_cast<int>(cases.size()));
}

TEST_CASE("the parity check finds every kind of fault") {
  using Fault = FaultyBackend::Fault;
  const std::string convs[] = {"small 1x4x6x17->3 k3 s1 p1 o0 sliced conv_forward",
                               "small 3x5x7x3->5 k3 s1 p1 o0 conv_forward"};
  const std::string slope = "small 3x5x7x17 sliced leaky activation_backward";
  constexpr auto kDifferent = ParityReport::Outcome::different;

  CHECK(report_of(Fault::none, slope).outcome == ParityReport::Outcome::equal);
  for (const std::string& conv : convs) {
    CHECK(report_of(Fault::none, conv).outcome == ParityReport::Outcome::equal);
    for (const Fault fault : {Fault::last_channel_missing, Fault::writes_past_slice,
                              Fault::writes_before_slice, Fault::leaves_one_unwritten,
                              Fault::changes_its_input, Fault::differs_from_call_to_call}) {
      const ParityReport report = report_of(fault, conv);
      INFO(report.text);
      CHECK(report.outcome == kDifferent);
    }
  }
  CHECK(report_of(Fault::ignores_write, slope).outcome == kDifferent);
}

TEST_CASE("the parity check finds weights kept beyond their version") {
  FaultyBackend backend(FaultyBackend::Fault::keeps_weights_by_address);
  const auto first = case_named("small 3x5x7x3->5 k3 s1 p1 o0 conv_forward");
  const auto second = case_named("small 1x4x6x17->3 k3 s1 p1 o0 sliced conv_forward");
  const auto summary = check_backend_against_reference(backend, host_memory(), {first, second});
  INFO(summary.text());
  CHECK(summary.failures.size() == 1);
}

TEST_CASE("the parity check counts what a backend does not support and never calls it") {
  FaultyBackend backend(FaultyBackend::Fault::none);
  const auto linear = case_named("small 2x4x4x16->3 linear_forward");
  const auto conv = case_named("small 3x5x7x3->5 k3 s1 p1 o0 conv_forward");
  const auto summary = check_backend_against_reference(backend, host_memory(), {linear, conv});
  CHECK(summary.unsupported == 1);
  CHECK(summary.checked == 1);
}

TEST_CASE("a convolution that only rounds its result to bfloat16 passes the bfloat16 check") {
  HalfBackend backend;
  const auto summary =
      check_backend_against_reference(backend, host_memory(), small_cases(), Precision::bf16);
  INFO(summary.text());
  CHECK(summary.checked > 10);
  CHECK(summary.failures.empty());
}
