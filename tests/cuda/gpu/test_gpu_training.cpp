// Training on a real GPU, opened as the programs open it: against the CPU, and against itself.
#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "engine/random.h"
#include "engine/replay.h"
#include "kernels/device.h"
#include "train/recipe/classic.h"

namespace gan::testing {
namespace {

struct Run {
  std::vector<double> l1;
  std::vector<float> weights;
  std::string report;  // of what was measured on the way
};

// Steps of the classic recipe on the same few photos, as the recipe gives them to a device.
Run train(const DeviceOptions& options, int steps, int width = 16, int64_t batch = 4) {
  constexpr int64_t kSize = ClassicDiscriminator::kSize;
  Device device = open_device(options);
  const auto generator = make_generator("gan", width);
  // Without dropout: which values it drops is the same everywhere, but it makes small differences grow.
  ClassicGan gan(device, *generator, {.dropout = 0}, device.pictures());
  Replay replay(device.memory);
  Arena arena(device.memory);
  const Shape shape = {batch, kSize, kSize, 3};
  const Tensor gray = arena.allocate(shape, device.pictures());
  const Tensor color = arena.allocate(shape, device.pictures());
  Random random(3);
  std::vector<float> colors, grays;
  for (int64_t pixel = 0; pixel < shape.pixels(); ++pixel) {
    const float r = random.uniform(), g = random.uniform(), b = random.uniform();
    colors.insert(colors.end(), {r, g, b});
    grays.insert(grays.end(), 3, 0.299f * r + 0.587f * g + 0.114f * b);
  }
  from_host(device.memory, color, colors.data());
  from_host(device.memory, gray, grays.data());
  Run run;
  for (int step = 0; step < steps; ++step) {
    gan.prepare();
    replay.run(ClassicGan::key({}, batch), {&gan.generator_arena(), &gan.discriminator_arena()},
               [&] {
                 gan.values_changed();
                 gan.compute(gray, color, {});
               });
    if (replay.operations() > 0) gan.values_changed();
    run.l1.push_back(
        ClassicGan::read_losses(to_host(device.memory, gan.numbers()), {}).generator.l1);
  }
  run.weights = to_host(device.memory, generator->parameters().values());
  run.report = device.tuning_report();
  return run;
}

}  // namespace

TEST_CASE("fifty steps on the GPU follow those on the CPU", "[gpu]") {
  constexpr int kSteps = 50;
  const Run cpu = train({.device = "cpu"}, kSteps);
  const Run fp32 = train({.device = "gpu"}, kSteps);
  const Run tf32 = train({.device = "gpu", .precision = DevicePrecision::tf32}, kSteps);
  const Run bf16 = train({.device = "gpu", .precision = DevicePrecision::bf16}, kSteps);
  // Rounding grows from step to step; what stays close is the curve.
  for (int step = 0; step < kSteps; ++step) {
    CAPTURE(step);
    CHECK(fp32.l1[step] == Approx(cpu.l1[step]).epsilon(step == 0 ? 1e-5 : 0.02));
    CHECK(tf32.l1[step] == Approx(cpu.l1[step]).epsilon(step == 0 ? 1e-3 : 0.03));
    CHECK(bf16.l1[step] == Approx(cpu.l1[step]).epsilon(step == 0 ? 1e-2 : 0.05));
  }
  CHECK(cpu.l1.back() < 0.97 * cpu.l1.front());  // of random numbers there is little to learn
}

TEST_CASE("the same seed gives the same bytes on the GPU", "[gpu]") {
  for (const DevicePrecision precision :
       {DevicePrecision::fp32, DevicePrecision::tf32, DevicePrecision::bf16}) {
    const DeviceOptions options = {.device = "gpu", .precision = precision};
    CHECK((train(options, 8).weights == train(options, 8).weights));
  }
}

// What runs side by side then, the simulator runs one after another; and it has no cuDNN.
TEST_CASE("steps in other orders leave the same bytes on the GPU", "[gpu]") {
  constexpr int kSteps = 30;
  for (const char* const backend : {"cuda", "auto"}) {
    DeviceOptions options = {
        .device = "gpu", .backend = backend, .precision = DevicePrecision::bf16};
    const Run given = train(options, kSteps);
    for (const RecordedOrder order : {RecordedOrder::data, RecordedOrder::fastest}) {
      options.order = order;
      const Run other = train(options, kSteps);
      CAPTURE(backend, name_of(order));
      CHECK((other.weights == given.weights));
      CHECK((other.l1 == given.l1));
      if (order == RecordedOrder::fastest) {
        CHECK_THAT(other.report, Catch::Contains("order of a recorded piece"));
        WARN(backend << ": " << other.report);
      }
    }
  }
}

// Of large networks more kernels run side by side, cuDNN's too, whose handle may have memory of its own.
TEST_CASE("large steps in the order of their data leave the same bytes on the GPU", "[gpu]") {
  constexpr int kSteps = 10, kWidth = 64;
  constexpr int64_t kBatch = 16;
  DeviceOptions options = {.device = "gpu", .precision = DevicePrecision::bf16};
  const Run given = train(options, kSteps, kWidth, kBatch);
  options.order = RecordedOrder::data;
  CHECK((train(options, kSteps, kWidth, kBatch).weights == given.weights));
}

}  // namespace gan::testing
