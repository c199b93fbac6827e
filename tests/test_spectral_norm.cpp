// Spectral normalisation against singular values, central differences, and on every backend.
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "kernels/device.h"
#include "kernels/reference/reference_backend.h"
#include "kernels/spectral_norm.h"
#include "tests/host_tensor.h"

namespace gan {
namespace {

using testing::HostTensor;
using testing::inner_product;
using testing::random_tensor;

Kernels reference_kernels() {
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(make_reference_backend());
  return Kernels(std::move(backends));
}

HostTensor normalized(Kernels& kernels, const HostTensor& w, const HostTensor& left) {
  Tape tape(host_memory());
  Context context{.kernels = kernels, .tape = tape};
  Variable& result = ops::spectral_norm(context, tape.variable(w, true), left);
  return {w.tensor().shape(), to_host_f64(host_memory(), result.value)};
}

// With u and v as good as they get.
HostTensor converged(Kernels& kernels, const HostTensor& w, const HostTensor& left) {
  for (int i = 0; i < 200; ++i) normalized(kernels, w, left);
  return normalized(kernels, w, left);
}

}  // namespace

TEST_CASE("spectral_norm divides by the largest singular value", "[stable]") {
  Kernels kernels = reference_kernels();
  // Rows that are orthogonal, of lengths 1, 3 and 2.
  HostTensor w({3, 1, 1, 4}, {0.5, 0.5, 0.5, 0.5, 1.5, -1.5, 1.5, -1.5, 1, 1, -1, -1});
  const HostTensor left = testing::vector_of({0.5, 0.4, 0.3});
  const HostTensor result = converged(kernels, w, left);
  for (int64_t i = 0; i < 12; ++i) CHECK(result[i] == Approx(w[i] / 3).epsilon(1e-6));
  CHECK(std::abs(left[1]) == Approx(1).epsilon(1e-6));
}

TEST_CASE("spectral_norm's gradient agrees with central differences", "[stable]") {
  constexpr double kStep = 3e-3;  // axpby takes its factors, 1/sigma among them, as floats
  Kernels kernels = reference_kernels();
  HostTensor w = random_tensor({4, 3, 3, 2}, 1);
  const HostTensor left = random_tensor({1, 1, 1, 4}, 2), slope = random_tensor({4, 3, 3, 2}, 3);
  converged(kernels, w, left);
  // The result's inner product with `slope`, whose gradient is `slope`.
  Tape tape(host_memory());
  Context context{.kernels = kernels, .tape = tape};
  Variable& weights = tape.variable(w, true);
  Variable& result = ops::spectral_norm(context, weights, left);
  tape.adopt_grad(result, slope);
  tape.backward();
  const std::vector<double> gradient = to_host_f64(host_memory(), weights.grad);
  for (size_t i = 0; i < gradient.size(); ++i) {
    const double before = w.values()[i];
    w.values()[i] = before + kStep;
    const double above = inner_product(slope, converged(kernels, w, left));
    w.values()[i] = before - kStep;
    const double below = inner_product(slope, converged(kernels, w, left));
    w.values()[i] = before;
    CAPTURE(i);
    CHECK(gradient[i] == Approx((above - below) / (2 * kStep)).margin(2e-4));
  }
}

TEST_CASE("spectral_norm is the same on the fast backends", "[stable]") {
  std::vector<std::vector<float>> results;
  for (const char* backend : {"reference", "auto"}) {
    Device device = open_device({.backend = backend});
    Tape tape(device.memory);
    const Tensor w = tape.allocate({256, 3, 3, 128}, DType::f32);
    const Tensor left = tape.allocate(vector_shape(256), DType::f32);
    from_host(device.memory, w, random_tensor(w.shape(), 4).values().data());
    from_host(device.memory, left, random_tensor(left.shape(), 5).values().data());
    Context context{.kernels = device.kernels, .tape = tape};
    results.push_back(
        to_host(device.memory, ops::spectral_norm(context, tape.variable(w, true), left).value));
  }
  for (size_t i = 0; i < results[0].size(); ++i) {
    if (std::abs(results[0][i] - results[1][i]) > 1e-5 * std::abs(results[0][i]) + 1e-8) {
      FAIL_CHECK("element " << i << ": " << results[0][i] << ", " << results[1][i]);
    }
  }
}

}  // namespace gan
