// Training steps on a GPU, recorded or not, for tests that compare what they leave behind.
#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <utility>
#include <vector>

#include "engine/replay.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/cuda_memory.h"
#include "kernels/cuda/dataflow_backend.h"
#include "kernels/cuda/host.h"
#include "tests/host_tensor.h"
#include "train/recipe/classic.h"
#include "train/recipe/stable.h"
#include "train/recipe/step_reports.h"

namespace gan::testing {

inline Kernels only(std::unique_ptr<Backend> backend) {
  std::vector<std::unique_ptr<Backend>> one;
  one.push_back(std::move(backend));
  return Kernels(std::move(one));
}

// A GPU with the own kernels: with a stream of its own it records, on the default stream it does not.
struct RecordingGpu {
  explicit RecordingGpu(gpu::Stream on, RecordedOrder order = RecordedOrder::given)
      : stream(on), memory(on), device{memory, only(backend(order)), "GPU"} {
    memory.record_in(order);
  }
  gpu::Stream stream;
  CudaMemory memory;
  Device device;

 private:
  std::unique_ptr<Backend> backend(RecordedOrder order) {
    if (order == RecordedOrder::given) return make_cuda_backend(memory, stream);
    cuda::Dataflow& flow = memory.dataflow();
    return in_order_of_data(make_cuda_backend(memory, stream, CudaPrecision::fp32, &flow), flow);
  }
};

// Steps of a small stable GAN with everything switched on, as the recipe runs them.
struct StableSteps {
  static constexpr int64_t kBatch = 2, kSize = 32;

  StableSteps(gpu::Stream stream, int steps, RecordedOrder order = RecordedOrder::given)
      : gpu(stream, order) {
    Device& device = gpu.device;
    const auto generator = make_generator("gan", 4, ColorHead::chroma64);
    StableGan gan(device, *generator, std::vector<float>(16, 1.5f), {});
    Replay replay(device.memory);
    StepReports reports(device);
    Arena arena(gpu.memory);
    const Shape shape = {kBatch, kSize, kSize, 3};
    const Tensor gray = arena.allocate(shape, DType::f32),
                 color = arena.allocate(shape, DType::f32);
    from_host(gpu.memory, gray, random_tensor(shape, 40, 0, 1).values().data());
    from_host(gpu.memory, color, random_tensor(shape, 140, -0.5, 0.5).values().data());
    for (int step = 0; step < steps; ++step) {
      StepPlan plan;
      plan.train_discriminator = true;
      plan.moment_weight = 0.2;
      plan.adversarial_ratio = 0.05 * (step + 1);
      plan.lr_generator = 1e-3 / (step + 1);
      plan.r1_gamma = plan.r2_gamma = 1;
      plan.augment = 0.5;
      const gpu::HostCalls before = gpu::host_calls();
      gan.prepare(shape, plan);
      replay.run(gan.key(plan), {&gan.generator_arena(), &gan.discriminator_arena()}, [&] {
        gan.values_changed();
        gan.compute(gray, color, plan);
      });
      if (replay.operations() > 0) gan.values_changed();
      reports.post(gan.numbers(), {static_cast<double>(step)});
      StepReports::Report report;
      while (reports.take(report)) losses.push_back(gan.read_report(report.numbers, plan).chroma);
      const gpu::HostCalls& after = gpu::host_calls();
      last = {after.launches - before.launches, after.allocations - before.allocations,
              after.copies - before.copies, after.waits - before.waits,
              after.replays - before.replays};
      operations = replay.operations();
    }
    StepReports::Report report;
    while (reports.take(report, true)) losses.push_back(gan.read_report(report.numbers, {}).chroma);
    generator_values = to_host(gpu.memory, generator->parameters().values());
    discriminator_values = to_host(gpu.memory, gan.discriminator().parameters().values());
  }

  RecordingGpu gpu;
  std::vector<double> losses;
  std::vector<float> generator_values, discriminator_values;
  gpu::HostCalls last;  // of the last step
  size_t operations = 0;
};

// The same of the classic one: the whole discriminator, which has only one size, and a narrow generator.
struct ClassicSteps {
  static constexpr int64_t kBatch = 1, kSize = ClassicDiscriminator::kSize;

  ClassicSteps(gpu::Stream stream, int steps, RecordedOrder order = RecordedOrder::given)
      : gpu(stream, order) {
    Device& device = gpu.device;
    const auto generator = make_generator("gan", 4);
    ClassicGan gan(device, *generator, {});
    Replay replay(device.memory);
    Arena arena(gpu.memory);
    const Shape shape = {kBatch, kSize, kSize, 3};
    const Tensor gray = arena.allocate(shape, DType::f32),
                 color = arena.allocate(shape, DType::f32);
    from_host(gpu.memory, gray, random_tensor(shape, 41, 0, 1).values().data());
    from_host(gpu.memory, color, random_tensor(shape, 141, 0, 1).values().data());
    const ClassicGan::StepPlan plan = {.noise = true};
    for (int step = 0; step < steps; ++step) {
      gan.prepare();
      replay.run(ClassicGan::key(plan, kBatch),
                 {&gan.generator_arena(), &gan.discriminator_arena()}, [&] {
                   gan.values_changed();
                   gan.compute(gray, color, plan);
                 });
      if (replay.operations() > 0) gan.values_changed();
      const std::vector<float> numbers = to_host(gpu.memory, gan.numbers());
      losses.insert(losses.end(), numbers.begin(), numbers.end());
      operations = replay.operations();
    }
    generator_values = to_host(gpu.memory, generator->parameters().values());
    discriminator_values = to_host(gpu.memory, gan.discriminator().parameters().values());
  }

  RecordingGpu gpu;
  std::vector<float> losses, generator_values, discriminator_values;
  size_t operations = 0;
};

// Two parentheses, as a failure would print every number otherwise.
template <class Steps>
void check_same_bytes(const Steps& one, const Steps& other) {
  CHECK((one.generator_values == other.generator_values));
  CHECK((one.discriminator_values == other.discriminator_values));
  CHECK((one.losses == other.losses));
}

}  // namespace gan::testing
