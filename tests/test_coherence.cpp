// The coherence loss: worked out by hand, differentiated, on every backend.
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "kernels/device.h"
#include "kernels/reference/reference_backend.h"
#include "tests/host_tensor.h"
#include "train/recipe/coherence.h"

namespace gan {
namespace {

using testing::HostTensor;
using testing::random_tensor;

struct Result {
  double loss = 0;
  std::vector<double> gradient;
};

Result run(Kernels& kernels, const HostTensor& painted, const HostTensor& real, DType dtype,
           float weight = 1) {
  Memory& memory = host_memory();
  const CoherenceLoss loss(memory, dtype);
  Tape tape(memory);
  const auto copy = [&](const HostTensor& from) {
    const Tensor to = tape.allocate(from.tensor().shape(), dtype);
    from_host(memory, to, from.values().data());
    return to;
  };
  Context context{.kernels = kernels, .tape = tape};
  Variable& chroma = tape.variable(copy(painted), true);
  const Tensor value = tape.allocate(vector_shape(1), dtype);
  loss(context, chroma, copy(real), weight, value);
  tape.backward();
  return {to_host_f64(memory, value)[0], to_host_f64(memory, chroma.grad)};
}

Kernels reference_kernels() {
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(make_reference_backend());
  return Kernels(std::move(backends));
}

// Cb is `left` in the left half and `right` in the right one, Cr is 0.
HostTensor halves(double left, double right) {
  HostTensor chroma({1, 8, 8, 2});
  for (int64_t i = 0; i < 64; ++i) chroma[2 * i] = i % 8 < 4 ? left : right;
  return chroma;
}

}  // namespace

TEST_CASE("the coherence loss of a border that the truth does not have", "[stable]") {
  Kernels kernels = reference_kernels();
  CHECK(run(kernels, halves(0.25, 0.25), halves(0.25, 0.25), DType::f64).loss == 0);
  CHECK(run(kernels, halves(0.5, 0), halves(0.5, 0), DType::f64).loss == 0);
  // Painted 0.5 | 0 where 0 | 0 is true. At 8x8, out of 8*8*4 differences: 8 rows cross the middle,
  // 4 columns leave the picture at the bottom, each by 0.5; at 4x4 half, at 2x2 a quarter of each.
  const double at8 = (8 + 4) * 0.5 / 256, at4 = (4 + 2) * 0.5 / 64, at2 = (2 + 1) * 0.5 / 16;
  CHECK(run(kernels, halves(0.5, 0), halves(0, 0), DType::f64).loss ==
        Approx((at8 + at4 + at2) / 3).epsilon(1e-6));
}

TEST_CASE("the coherence loss's gradient agrees with central differences", "[stable]") {
  constexpr double kStep = 1e-6;
  constexpr float kWeight = 0.75f;
  Kernels kernels = reference_kernels();
  HostTensor painted = random_tensor({2, 8, 16, 2}, 1);
  const HostTensor real = random_tensor({2, 8, 16, 2}, 2);
  const std::vector<double> gradient = run(kernels, painted, real, DType::f64, kWeight).gradient;
  for (size_t i = 0; i < gradient.size(); i += 7) {
    double& value = painted.values()[i];
    const double before = value;
    value = before + kStep;
    const double above = run(kernels, painted, real, DType::f64).loss;
    value = before - kStep;
    const double below = run(kernels, painted, real, DType::f64).loss;
    value = before;
    CAPTURE(i);
    CHECK(gradient[i] == Approx(kWeight * (above - below) / (2 * kStep)).margin(1e-8));
  }
}

TEST_CASE("the coherence loss is the same on the fast backends", "[stable]") {
  const HostTensor painted = random_tensor({3, 64, 64, 2}, 3),
                   real = random_tensor({3, 64, 64, 2}, 4);
  Kernels slow = reference_kernels();
  const Result expected = run(slow, painted, real, DType::f32);
  Device device = open_device({});
  const Result found = run(device.kernels, painted, real, DType::f32);
  CHECK(found.loss == Approx(expected.loss).epsilon(1e-5));
  double error = 0, size = 0;
  for (size_t i = 0; i < expected.gradient.size(); ++i) {
    error += std::pow(found.gradient[i] - expected.gradient[i], 2);
    size += std::pow(expected.gradient[i], 2);
  }
  CHECK(std::sqrt(error) < 1e-4 * std::sqrt(size));
}

}  // namespace gan
