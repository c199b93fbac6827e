// The stable recipe's whole step on the CUDA backend.
#include <catch2/catch.hpp>
#include <cmath>
#include <memory>
#include <vector>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/cuda_memory.h"
#include "kernels/reference/reference_backend.h"
#include "kernels/spectral_norm.h"
#include "tests/host_tensor.h"
#include "train/recipe/stable.h"

namespace gan::testing {
namespace {

// One step of a small GAN with everything switched on, and what it left behind.
struct StableStep {
  StableStep(Memory& memory, std::unique_ptr<Backend> backend, uint64_t seed,
             DType dtype = DType::f32)
      : device{memory, only(std::move(backend)), "one backend"},
        generator(make_generator("gan", 4, ColorHead::chroma64)),
        gan(device, *generator, std::vector<float>(16, 1.5f), {}),
        arena(memory) {
    const Shape shape = {2, 32, 32, 3};
    const Tensor gray = arena.allocate(shape, dtype), color = arena.allocate(shape, dtype);
    from_host(memory, gray, random_tensor(shape, seed, 0, 1).values().data());
    from_host(memory, color, random_tensor(shape, seed + 100, -0.5, 0.5).values().data());
    StepPlan plan;
    plan.train_discriminator = true;
    plan.moment_weight = 0.2;
    plan.coherence_weight = 0.3;
    plan.adversarial_ratio = 0.2;
    plan.r1_gamma = plan.r2_gamma = 1;
    plan.augment = 0.5;
    const StepReport r = gan.step(gray, color, plan);
    numbers = {r.chroma, r.moments, r.coherence, r.discriminator, r.adversarial, r.r1, r.r2};
    gradients = {to_host_f64(memory, generator->parameters().gradients()),
                 to_host_f64(memory, gan.discriminator().parameters().gradients())};
  }

  static Kernels only(std::unique_ptr<Backend> backend) {
    std::vector<std::unique_ptr<Backend>> one;
    one.push_back(std::move(backend));
    return Kernels(std::move(one));
  }

  Device device;
  std::unique_ptr<Generator> generator;
  StableGan gan;
  Arena arena;
  std::vector<double> numbers;
  std::vector<std::vector<double>> gradients;
};

double distance(const std::vector<double>& value, const std::vector<double>& expected) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(value[i] - expected[i], 2);
    size += std::pow(expected[i], 2);
  }
  return std::sqrt(difference / size);
}

}  // namespace

TEST_CASE("a step of the stable recipe on the CUDA backend has the reference's gradients",
          "[step]") {
  // As for the classic step: rounding of sums, and on some pictures a unit at its kink.
  constexpr double kLimit = 1e-4;
  constexpr uint64_t kTrials = 3;
  double best = HUGE_VAL;
  for (uint64_t trial = 0; trial < kTrials && best > kLimit; ++trial) {
    CudaMemory memory;
    const StableStep ours(memory, make_cuda_backend(memory), 40 + trial);
    const StableStep expected(host_memory(), make_reference_backend(), 40 + trial);
    for (size_t i = 0; i < ours.numbers.size(); ++i) {
      CAPTURE(i);
      CHECK(ours.numbers[i] == Approx(expected.numbers[i]).epsilon(1e-3));
    }
    best = std::min(best, std::max(distance(ours.gradients[0], expected.gradients[0]),
                                   distance(ours.gradients[1], expected.gradients[1])));
  }
  CHECK(best < kLimit);
}

TEST_CASE("spectral_norm on the CUDA backend is the reference's, forward and backward", "[step]") {
  CudaMemory gpu;
  const Shape shape = {8, 3, 3, 4};
  std::vector<std::vector<double>> results[2];
  for (const bool ours : {false, true}) {
    Memory& memory = ours ? static_cast<Memory&>(gpu) : host_memory();
    Kernels kernels = StableStep::only(ours ? make_cuda_backend(gpu) : make_reference_backend());
    Tape tape(memory);
    const auto random = [&](const Shape& s, uint64_t seed) {
      const Tensor tensor = tape.allocate(s, DType::f32);
      from_host(memory, tensor, random_tensor(s, seed).values().data());
      return tensor;
    };
    Context context{.kernels = kernels, .tape = tape};
    const Tensor left = random(vector_shape(shape.n), 2);
    Variable& w = tape.variable(random(shape, 1), true);
    Variable& normal = ops::spectral_norm(context, w, left);
    tape.adopt_grad(normal, random(shape, 3));
    tape.backward();
    results[ours] = {to_host_f64(memory, normal.value), to_host_f64(memory, left),
                     to_host_f64(memory, w.grad)};
  }
  for (size_t i = 0; i < 3; ++i) {
    CAPTURE(i);
    CHECK(distance(results[1][i], results[0][i]) < 1e-5);
  }
}

TEST_CASE("pictures in bfloat16 change a step of the stable recipe by little", "[step]") {
  CudaMemory memory;
  const StableStep ours(memory, make_cuda_backend(memory), 40, DType::bf16);
  const StableStep expected(host_memory(), make_reference_backend(), 40);
  for (size_t i = 0; i < ours.numbers.size(); ++i) {
    CAPTURE(i);
    CHECK(ours.numbers[i] == Approx(expected.numbers[i]).epsilon(0.1));
  }
  CHECK(distance(ours.gradients[0], expected.gradients[0]) < 0.3);
  CHECK(distance(ours.gradients[1], expected.gradients[1]) < 0.3);
}

}  // namespace gan::testing
