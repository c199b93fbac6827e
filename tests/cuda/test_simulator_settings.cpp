// The simulator's own promises: schedules are reproducible and differ, settings come from the environment, and what ran is
// on record.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kernels/cuda/host.h"
#include "kernels/cuda/sim/simulator.h"
#include "tests/cuda/test_simulator.h"

namespace gan::gpu {
namespace {

using sim::Schedule;
using sim::Settings;

// Sets an environment variable until the end of the scope.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    setenv(name, value, 1);
  }
  ~ScopedVariable() {
    if (old_)
      setenv(name_, old_->c_str(), 1);
    else
      unsetenv(name_);
  }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

// The order in which threads get past a barrier, and blocks start.
__global__ void order_kernel(unsigned* ticket, unsigned* order) {
  syncthreads();
  order[atomic_add(ticket, 1)] = blockIdx.x * blockDim.x + threadIdx.x;
}

std::vector<unsigned> thread_order(const Settings& settings) {
  const sim::ScopedSettings scope(settings);
  constexpr int blocks = 5, threads = 128;
  const DeviceArray<unsigned> ticket(std::vector<unsigned>{0}), order(blocks * threads);
  launch(order_kernel, blocks, threads, 0, Stream{}, ticket.data(), order.data());
  return order.read();
}

// Reads what cp.async has not been waited for.
__global__ void early_read_kernel(const float* in, float* out) {
  Smem sm;
  float* shared = sm.take<float>(1);
  cp_async<4>(shared, in);
  cp_async_commit();
  *out = *shared;
  cp_async_wait<0>();
}

__global__ void unwritten_kernel(float* out) {
  Smem sm;
  *out = *sm.take<float>(1);
}

template <int Unused>
__global__ void counted_kernel() {}

TEST_CASE("The same seed gives the same schedule, another seed another", "[cuda][simulator]") {
  for (const Schedule schedule : {Schedule::random, Schedule::priority}) {
    INFO(sim::schedule_name(schedule));
    CHECK(thread_order({schedule, 3, 1}) == thread_order({schedule, 3, 1}));
    CHECK(thread_order({schedule, 3, 1}) != thread_order({schedule, 4, 1}));
  }
}

TEST_CASE("Every schedule runs every thread once, also on several OS threads",
          "[cuda][simulator]") {
  for (const Schedule schedule :
       {Schedule::fifo, Schedule::lifo, Schedule::random, Schedule::priority})
    for (const int os_threads : {1, 2, 7}) {
      std::vector<unsigned> order = thread_order({schedule, 1, os_threads});
      std::sort(order.begin(), order.end());
      for (unsigned i = 0; i < order.size(); ++i) REQUIRE(order[i] == i);
    }
}

TEST_CASE("fifo and lifo start blocks from opposite ends", "[cuda][simulator]") {
  CHECK(thread_order({Schedule::fifo, 1, 1}).front() / 128 == 0);
  CHECK(thread_order({Schedule::lifo, 1, 1}).front() / 128 == 4);
}

TEST_CASE("A copy lands early with some seeds and late, as NaN until then, with others",
          "[cuda][simulator]") {
  const DeviceArray<float> in(std::vector<float>{2.0f}), out(1);
  std::set<bool> seen;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const sim::ScopedSettings scope({Schedule::fifo, seed, 1});
    launch(early_read_kernel, 1, 1, 128, Stream{}, in.data(), out.data());
    const float value = out.read()[0];
    REQUIRE((value == 2.0f || std::isnan(value)));
    seen.insert(value == 2.0f);
  }
  CHECK(seen.size() == 2);
}

TEST_CASE("Fresh shared and device memory is NaN", "[cuda][simulator]") {
  const DeviceArray<float> out(std::vector<float>{1.0f});
  launch(unwritten_kernel, 1, 1, 128, Stream{}, out.data());
  CHECK(std::isnan(out.read()[0]));
  auto* const memory = static_cast<float*>(device_alloc(8));
  CHECK(std::isnan(memory[0]));
  CHECK(std::isnan(memory[1]));
  device_free(memory);
}

TEST_CASE("Device memory is as large as the settings say", "[cuda][simulator]") {
  Settings settings = sim::current_settings();
  settings.device_bytes = 1 << 20;
  const sim::ScopedSettings scope(settings);
  void* const most = device_alloc(768 << 10);
  CHECK(memory_room().free == 256 << 10);
  CHECK_THROWS_WITH(device_alloc(512 << 10), Catch::Contains("1048576 bytes"));
  device_free(most);
  CHECK(memory_room().free == 1 << 20);
}

TEST_CASE("Settings come from the environment and nonsense is refused", "[cuda][simulator]") {
  {
    const ScopedVariable schedule("GAN_SIM_SCHEDULE", "lifo"), seed("GAN_SIM_SEED", "77"),
        threads("GAN_SIM_THREADS", "3");
    const Settings settings = Settings::from_environment();
    CHECK(settings.schedule == Schedule::lifo);
    CHECK(settings.seed == 77);
    CHECK(settings.os_threads == 3);
  }
  {
    const ScopedVariable schedule("GAN_SIM_SCHEDULE", "fair");
    CHECK_THROWS_WITH(Settings::from_environment(), Catch::Contains("GAN_SIM_SCHEDULE=fair"));
  }
  for (const char* number : {"0", "2x", ""}) {
    const ScopedVariable threads("GAN_SIM_THREADS", number);
    CHECK_THROWS_WITH(Settings::from_environment(), Catch::Contains("GAN_SIM_THREADS="));
  }
}

TEST_CASE("Scoped settings end with their scope", "[cuda][simulator]") {
  const uint64_t before = sim::current_settings().seed;
  {
    const sim::ScopedSettings scope({Schedule::fifo, before + 5, 2});
    CHECK(sim::current_settings().seed == before + 5);
  }
  CHECK(sim::current_settings().seed == before);
}

TEST_CASE("Executed kernels are on record by name, with their launches", "[cuda][simulator]") {
  launch(counted_kernel<41>, 1, 1, 0, Stream{});
  launch(counted_kernel<41>, 3, 1, 0, Stream{});
  launch(counted_kernel<42>, 1, 1, 0, Stream{});
  int found = 0;
  for (const sim::KernelRun& run : sim::executed_kernels()) {
    if (run.name.find("gan::gpu::(anonymous namespace)::counted_kernel<41>") != std::string::npos) {
      CHECK(run.launches == 2);
      ++found;
    }
    if (run.name.find("gan::gpu::(anonymous namespace)::counted_kernel<42>") != std::string::npos) {
      CHECK(run.launches == 1);
      ++found;
    }
  }
  CHECK(found == 2);
}

}  // namespace
}  // namespace gan::gpu
