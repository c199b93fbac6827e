// Deals the blocks of a launch to OS threads, and keeps count of what was launched.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <thread>
#include <vector>

#include "kernels/cuda/gpu.h"
#include "kernels/cuda/sim/guarded_memory.h"
#include "kernels/cuda/sim/multiprocessor.h"

namespace gan::sim {

namespace {

// The order in which blocks start: a walk through all of them in steps that share no factor with
// their number.
class BlockOrder {
 public:
  BlockOrder(uint64_t blocks, const Settings& settings) : blocks_(blocks) {
    if (settings.schedule == Schedule::fifo) return;
    if (settings.schedule == Schedule::lifo) {
      first_ = step_ = blocks - 1;
      return;
    }
    Random random(settings.seed);
    first_ = random.next() % blocks;
    do {
      step_ = random.next() % blocks;
    } while (std::gcd(step_, blocks) != 1);
  }
  uint64_t operator[](uint64_t i) const {
    return static_cast<uint64_t>((first_ + static_cast<unsigned __int128>(i) * step_) % blocks_);
  }

 private:
  uint64_t blocks_, first_ = 0, step_ = 1;
};

class Device {
 public:
  void run(const Launch& launch);
  std::vector<KernelRun> executed_kernels();
  ~Device();

 private:
  std::mutex mutex_;  // one launch at a time, as in one stream
  std::vector<std::unique_ptr<Multiprocessor>> multiprocessors_;
  std::map<const void*, uint64_t> launches_;
};

// The number of a block: that of its team, and its rank there.
uint64_t block_number(const Launch& launch, uint64_t team, uint64_t rank) {
  const Uint3 &grid = launch.grid, &extent = launch.team;
  const uint64_t across = grid.x / extent.x, down = grid.y / extent.y;
  const uint64_t x = team % across * extent.x + rank % extent.x;
  const uint64_t y = team / across % down * extent.y + rank / extent.x % extent.y;
  const uint64_t z = team / across / down * extent.z + rank / extent.x / extent.y;
  return (z * grid.y + y) * grid.x + x;
}

void Device::run(const Launch& launch) {
  const std::lock_guard lock(mutex_);
  ++launches_[launch.kernel];
  Settings settings = current_settings();
  const uint64_t members = uint64_t{launch.team.x} * launch.team.y * launch.team.z;
  const uint64_t teams = uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z / members;
  const BlockOrder order(teams, settings);
  const bool alone = launch.company == Company::none;
  if (!alone) settings.os_threads = static_cast<int>(members);
  std::atomic<bool> failed{false};
  std::exception_ptr error;  // the first: those of other blocks may follow from it
  const auto guarded = [&](auto&& work) {
    try {
      work();
    } catch (...) {
      if (!failed.exchange(true)) error = std::current_exception();
    }
  };
  while (multiprocessors_.size() < static_cast<size_t>(settings.os_threads))
    multiprocessors_.push_back(std::make_unique<Multiprocessor>());
  const auto on_all = [&](auto&& work) {
    std::vector<std::thread> helpers;
    for (int worker = 1; worker < settings.os_threads; ++worker) helpers.emplace_back(work, worker);
    work(0);
    for (std::thread& helper : helpers) helper.join();
  };
  if (alone) {
    std::atomic<uint64_t> dealt{0};
    on_all([&](int worker) {
      guarded([&] {
        for (uint64_t i = dealt++; i < teams && !failed; i = dealt++)
          multiprocessors_[worker]->run_block(launch, order[i], settings);
      });
    });
  } else {
    for (uint64_t i = 0; i < teams && !failed; ++i) {
      Team team(members);
      on_all([&](int rank) {
        guarded([&] {
          multiprocessors_[rank]->run_block(launch, block_number(launch, order[i], rank), settings,
                                            &team, static_cast<size_t>(rank));
        });
      });
    }
  }
  for (const auto& multiprocessor : multiprocessors_) multiprocessor->end_launch();
  if (error) std::rethrow_exception(error);
  check_device_memory(launch.kernel);
}

std::vector<KernelRun> Device::executed_kernels() {
  const std::lock_guard lock(mutex_);
  std::vector<KernelRun> runs;
  for (const auto& [kernel, launches] : launches_)
    runs.push_back({function_name(kernel), launches});
  return runs;
}

Device::~Device() {
  const char* path = std::getenv("GAN_SIM_KERNEL_LOG");
  if (!path) return;
  if (std::FILE* log = std::fopen(path, "a")) {
    for (const KernelRun& kernel : executed_kernels())
      std::fprintf(log, "%s\n", kernel.name.c_str());
    std::fclose(log);
  }
}

Device& device() {
  static Device device;
  return device;
}

}  // namespace

void run(const Launch& launch) {
  if (current) fail(Fault::misuse, "a launch inside a kernel");
  device().run(launch);
}

std::vector<KernelRun> executed_kernels() {
  return device().executed_kernels();
}

}  // namespace gan::sim
