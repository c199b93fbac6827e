// Decisions taken in the device's memory, and whole steps recorded once and replayed.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "engine/replay.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/cuda_memory.h"
#include "kernels/cuda/host.h"
#include "kernels/reference/reference_backend.h"
#include "tests/cuda/recorded_steps.h"
#include "tests/host_tensor.h"

namespace gan::testing {
namespace {

// What begin_update and balance leave behind, on any backend.
struct Decisions {
  UpdateControl control{0.25, 7, 1};
  GradientBalance balance{0.2, 0};
  std::vector<float> result;

  Decisions(Memory& memory, Backend& backend, const std::vector<float>& numbers, bool after,
            double smooth) {
    balance.smooth = smooth;
    const UpdateControl first{0, 3, after};
    Buffer buffer(memory, 1024);
    auto* start = static_cast<std::byte*>(buffer.data());
    const auto upload = [&](size_t at, const void* from, size_t bytes) {
      memory.copy_from_host(start + at, from, bytes);
    };
    upload(0, &control, sizeof(control));
    upload(64, &first, sizeof(first));
    upload(128, &balance, sizeof(balance));
    upload(256, numbers.data(), numbers.size() * sizeof(float));
    const auto count = static_cast<int64_t>(numbers.size());
    const Tensor all(start + 256, vector_shape(count), DType::f32);
    const Tensor results(start + 512, vector_shape(3), DType::f32);
    auto* before = reinterpret_cast<const UpdateControl*>(start + 64);
    backend.begin_update(all, before, reinterpret_cast<UpdateControl*>(start));
    backend.balance(all.channels(0, 2), before, reinterpret_cast<GradientBalance*>(start + 128),
                    results);
    memory.copy_to_host(&control, start, sizeof(control));
    memory.copy_to_host(&balance, start + 128, sizeof(balance));
    result = to_host(memory, results);
  }
};

}  // namespace

TEST_CASE("decisions on the device are those of the reference", "[smallest]") {
  const float infinite = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CudaMemory memory;
  const auto cuda = make_cuda_backend(memory);
  const auto reference = make_reference_backend();
  for (const std::vector<float>& numbers :
       {std::vector<float>{4, 9, 1}, {4, 9, nan}, {infinite, 9, 1}, {0, 9, 1}, {4, nan, 1}}) {
    for (const bool after : {true, false}) {
      for (const double smooth : {0.0, 0.5}) {
        const Decisions ours(memory, *cuda, numbers, after, smooth);
        const Decisions expected(host_memory(), *reference, numbers, after, smooth);
        CAPTURE(numbers, after, smooth);
        CHECK(ours.control.enabled == expected.control.enabled);
        CHECK(ours.control.step == expected.control.step);
        CHECK(ours.control.learning_rate == 0.25);
        // A GPU fuses a product and a sum.
        CHECK(ours.balance.smooth == Approx(expected.balance.smooth).epsilon(1e-6));
        CHECK(ours.result[0] == Approx(expected.result[0]).epsilon(1e-6));
        CHECK(ours.result[1] == 1);
      }
    }
  }
  const Decisions plain(host_memory(), *reference, {4, 9, 1}, true, 0);
  CHECK(plain.control.enabled == 1);
  CHECK(plain.control.step == 8);
  CHECK(plain.balance.smooth == 1.5);
  CHECK(plain.result[0] == Approx(0.2 / 1.5));
  CHECK(plain.result[2] == 1.5f);
}

TEST_CASE("mixing takes its factors from device memory, an update that is not enabled does nothing",
          "[smallest]") {
  CudaMemory memory;
  CudaBackend backend(memory);
  Arena arena(memory);
  const auto tensor = [&](const std::vector<float>& values) {
    const Tensor made =
        arena.allocate(vector_shape(static_cast<int64_t>(values.size())), DType::f32);
    from_host(memory, made, values.data());
    return made;
  };
  const Tensor x = tensor({1, 2, 3, 4, 5}), y = tensor({10, 20, 30, 40, 50});
  backend.mix(tensor({0.5f, 2}), x, y);
  CHECK(to_host(memory, y) == std::vector<float>{20.5f, 41, 61.5f, 82, 102.5f});

  const UpdateControl control = {0.1, 1, 0};
  Buffer device_control(memory, sizeof(control));
  memory.copy_from_host(device_control.data(), &control, sizeof(control));
  const Tensor m = tensor({0, 0, 0, 0, 0}), v = tensor({0, 0, 0, 0, 0});
  backend.adam({}, static_cast<const UpdateControl*>(device_control.data()), y, x, m, v);
  CHECK(to_host(memory, y)[0] == 20.5f);
  CHECK(to_host(memory, m) == std::vector<float>(5, 0.0f));
}

TEST_CASE("a recorded stream takes kernels and nothing else", "[smallest]") {
  RecordingGpu gpu(gpu::make_stream());
  Arena arena(gpu.memory);
  const Tensor x = arena.allocate(vector_shape(4), DType::f32);
  Backend& backend = gpu.device.kernels({Op::memory, DType::f32, x.shape(), x.shape(), {}});
  CHECK_THROWS_WITH(gpu.memory.record([&] { Buffer(gpu.memory, 16); }),
                    Catch::Contains("while work is being recorded"));
  CHECK_THROWS_WITH(gpu.memory.record([&] { to_host(gpu.memory, x); }),
                    Catch::Contains("while work is being recorded"));
  // After a failure the stream works on; what is recorded is not run until it is replayed.
  backend.fill(x, 1);
  const auto recording = gpu.memory.record([&] { backend.fill(x, 2); });
  CHECK(to_host(gpu.memory, x) == std::vector<float>(4, 1.0f));
  recording->replay();
  CHECK(to_host(gpu.memory, x) == std::vector<float>(4, 2.0f));
  CHECK(recording->operations() == 1);
}

TEST_CASE("work is repeated as one recorded piece, or as it is where nothing is recorded",
          "[smallest]") {
  RecordingGpu gpu(gpu::make_stream());
  Arena arena(gpu.memory);
  const Tensor one = arena.allocate(vector_shape(1), DType::f32),
               sum = arena.allocate(vector_shape(1), DType::f32);
  Backend& backend = gpu.device.kernels({Op::memory, DType::f32, one.shape(), one.shape(), {}});
  backend.fill(one, 1);
  backend.fill(sum, 0);
  const auto thrice = repeated(gpu.memory, 3, [&] { backend.add(one, sum); });
  CHECK(to_host(gpu.memory, sum)[0] == 0);
  const gpu::HostCalls before = gpu::host_calls();
  thrice();
  thrice();
  CHECK(gpu::host_calls().replays == before.replays + 2);
  CHECK(gpu::host_calls().launches == before.launches);
  CHECK(to_host(gpu.memory, sum)[0] == 6);

  int runs = 0;
  repeated(host_memory(), 4, [&] { ++runs; })();
  CHECK(runs == 4);
}

constexpr RecordedOrder kOrders[] = {RecordedOrder::given, RecordedOrder::data,
                                     RecordedOrder::fastest};

TEST_CASE("a replayed step of the stable recipe leaves the same bytes as one that is not",
          "[step]") {
  constexpr int kSteps = 6;
  const StableSteps plain(nullptr, kSteps);
  CHECK(plain.last.replays == 0);
  for (const RecordedOrder order : kOrders) {
    const StableSteps replayed(gpu::make_stream(), kSteps, order);
    CAPTURE(name_of(order));
    check_same_bytes(replayed, plain);
    CHECK(replayed.losses.size() == kSteps);

    // The steady state: one replay, no launch, no allocation; learning rate, ratio and warps go to the
    // device, the numbers come back. A host that is faster than its GPU waits for the report of the step
    // before last but three, and for nothing else.
    CHECK(replayed.last.replays == 1);
    CHECK(replayed.last.launches == 0);
    CHECK(replayed.last.allocations == 0);
    CHECK(replayed.last.waits <= 1);
    CHECK(replayed.last.copies <= 4);
    CHECK(replayed.operations == plain.last.launches);
  }
}

TEST_CASE("a replayed step of the classic recipe leaves the same bytes as one that is not",
          "[step]") {
  constexpr int kSteps = 4;
  const ClassicSteps plain(nullptr, kSteps);
  for (const RecordedOrder order : kOrders) {
    const ClassicSteps replayed(gpu::make_stream(), kSteps, order);
    CAPTURE(name_of(order));
    check_same_bytes(replayed, plain);
    CHECK(replayed.operations > 0);
  }
}

}  // namespace gan::testing
