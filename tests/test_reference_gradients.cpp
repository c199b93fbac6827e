// Every gradient of the reference against central differences of its forward function, in float64.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <optional>

#include "kernels/cases/op_tensors.h"
#include "kernels/reference/reference_backend.h"
#include "tests/host_tensor.h"

using namespace gan;
using namespace gan::cases;
using namespace gan::testing;

namespace {

constexpr double kStep = 1e-5;
constexpr double kLimit = 1e-6;  // relative error
constexpr size_t kProbes = 40;   // elements tried of each tensor
constexpr int64_t kLargest = 500000;
constexpr uint64_t kSeed = 11;

Backend& backend() {
  static const auto made = make_reference_backend();
  return *made;
}

// Which forward function a backward function belongs to. Losses are their own.
std::optional<Function> forward_of(Function backward) {
  using enum Function;
  switch (backward) {
    case conv_backward_data:
    case conv_backward_weights:
      return conv_forward;
    case conv_transpose_backward_data:
    case conv_transpose_backward_weights:
      return conv_transpose_forward;
    case linear_backward_data:
    case linear_backward_weights:
      return linear_forward;
    case batch_norm_backward:
      return batch_norm_train;
    case activation_backward:
      return activation_forward;
    case avg_pool_backward:
      return avg_pool_forward;
    case max_pool_backward:
      return max_pool_forward;
    case upsample_backward:
      return upsample_forward;
    case augment_backward:
      return augment_forward;
    case bce_with_logits:
    case l1_loss:
    case mse_loss:
    case relativistic_loss:
    case chroma_loss:
    case moment_loss:
      return backward;
    default:
      return std::nullopt;
  }
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// The forward function of a backward case, as a scalar function of its inputs: the inner product of
// its output with dy, or weight * loss.
class Objective {
 public:
  Objective(const OpCase& backward, Function function)
      : case_(forward_case(backward, function)),
        tensors_(host_memory(), case_, Precision::f64),
        values_(make_values(case_, Precision::f64, kSeed)) {}

  Values& inputs() { return values_; }
  const OpTensors& tensors() const { return tensors_; }
  void set_slope(std::vector<double> dy) { dy_ = std::move(dy); }

  double operator()() {
    tensors_.fill(values_, Write::overwrite);
    tensors_.run(backend(), Write::overwrite);
    if (op_of(case_.function) == Op::loss) return loss_weight(case_) * tensors_.values("loss")[0];
    return dot(tensors_.values("y"), dy_);
  }

  double central_difference(const std::string& name, size_t i) {
    double& element = values_[name][i];
    const double middle = element;
    element = middle + kStep;
    const double above = (*this)();
    element = middle - kStep;
    const double below = (*this)();
    element = middle;
    return (above - below) / (2 * kStep);
  }

 private:
  static OpCase forward_case(OpCase c, Function function) {
    c.function = function;
    c.in_place = false;
    if (op_of(function) != Op::batch_norm && op_of(function) != Op::activation) {
      c.act = Activation::none;  // a convolution's gradients start before its activation
    }
    return c;
  }

  OpCase case_;
  OpTensors tensors_;
  Values values_;
  std::vector<double> dy_;
};

// Compares a sample of elements; the error is relative to the element or the tensor's rms.
void check_gradient(Objective& objective, const std::string& name,
                    const std::vector<double>& gradient) {
  const double rms = std::sqrt(dot(gradient, gradient) /
                               static_cast<double>(std::max<size_t>(1, gradient.size())));
  const size_t stride = gradient.size() / kProbes + 1;
  double worst = 0;
  std::string where;
  for (size_t i = 0; i < gradient.size(); i += stride) {
    const double numeric = objective.central_difference(name, i);
    const double scale = std::max({std::abs(gradient[i]), rms, 1e-3});
    const double error = std::abs(numeric - gradient[i]) / scale;
    if (error <= worst) continue;
    worst = error;
    where = str("d", name, "[", i, "] is ", gradient[i], ", by differences ", numeric);
  }
  INFO(where);
  CHECK(worst <= kLimit);
}

void check_case(const OpCase& c, Function forward) {
  Objective objective(c, forward);
  OpTensors tensors(host_memory(), c, Precision::f64);
  Values values = make_values(c, Precision::f64, kSeed);
  // Both see the same inputs, and the backward function what the forward function made of them.
  for (const Field& field : objective.tensors().fields()) {
    const auto found = values.find(field.name);
    if (field.role == Role::input && found != values.end()) {
      objective.inputs()[field.name] = found->second;
    }
  }
  const bool is_loss = op_of(c.function) == Op::loss;
  if (!is_loss) objective.set_slope(values["dy"]);
  objective();
  for (const Field& field : objective.tensors().fields()) {
    if (field.role != Role::output || is_loss) continue;
    if (values.count(field.name)) values[field.name] = objective.tensors().values(field.name);
  }
  tensors.fill(values, Write::overwrite);
  tensors.run(backend(), Write::overwrite);

  const std::map<std::string, std::string> gradients = {{"dx", "x"},
                                                        {"dw", "w"},
                                                        {"dgamma", "gamma"},
                                                        {"dbeta", "beta"},
                                                        {"d_higher", "higher"},
                                                        {"d_lower", "lower"}};
  for (const auto& [gradient, value] : gradients)
    if (tensors[gradient]) check_gradient(objective, value, tensors.values(gradient));
  if (c.in_place) check_gradient(objective, "x", tensors.values("x"));
}

}  // namespace

TEST_CASE("every gradient equals the central difference of its forward function") {
  std::map<Function, int> checked;
  for (const OpCase& c : small_cases()) {
    const auto forward = forward_of(c.function);
    // Ties are kinks; without its gradient a loss has nothing to check; an empty output no slope.
    const bool bare_loss = op_of(c.function) == Op::loss && c.skip_optional;
    // Averages after an activation: test_identities.cpp.
    const bool two_functions =
        c.function == Function::avg_pool_backward && c.act != Activation::none;
    if (!forward || c.ties || bare_loss || c.y.elements() == 0 || two_functions) continue;
    if (multiply_adds(c) > kLargest) continue;  // shows nothing that the smaller ones do not
    INFO(c.name);
    check_case(c, *forward);
    ++checked[c.function];
  }
  for (const Function function :
       {Function::conv_backward_data, Function::conv_backward_weights,
        Function::conv_transpose_backward_data, Function::conv_transpose_backward_weights,
        Function::linear_backward_data, Function::linear_backward_weights,
        Function::batch_norm_backward, Function::activation_backward, Function::avg_pool_backward,
        Function::max_pool_backward, Function::upsample_backward, Function::augment_backward,
        Function::bce_with_logits, Function::l1_loss, Function::mse_loss,
        Function::relativistic_loss, Function::chroma_loss, Function::moment_loss}) {
    INFO(cases::name_of(function));
    CHECK(checked[function] >= 3);
  }
}

TEST_CASE("channel_sum is the gradient of a bias") {
  const HostTensor x = random_tensor({2, 3, 4, 3}, 1), w = random_tensor({5, 3, 3, 3}, 2);
  const HostTensor dy = random_tensor({2, 3, 4, 5}, 3);
  HostTensor bias = vector_of({0.1, 0.2, 0.3, 0.4, 0.5}), sums = vector_of({0, 0, 0, 0, 0});
  HostTensor y({2, 3, 4, 5});
  backend().channel_sum(dy, sums, Write::overwrite);
  const auto objective = [&] {
    backend().conv_forward({3, 1, 1, 0}, x, {w}, {bias, Activation::none}, y);
    return inner_product(y, dy);
  };
  for (int64_t k = 0; k < 5; ++k) {
    const double middle = bias[k];
    bias[k] = middle + kStep;
    const double above = objective();
    bias[k] = middle - kStep;
    const double below = objective();
    bias[k] = middle;
    CHECK(std::abs((above - below) / (2 * kStep) - sums[k]) <= kLimit * std::abs(sums[k]));
  }
}
