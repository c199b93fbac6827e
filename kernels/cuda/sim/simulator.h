// What a test sees of the simulator: its settings, its faults, and which kernels have run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace gan::sim {

// The order in which ready threads run.
enum class Schedule {
  fifo,      // lockstep: the thread that has waited longest
  lifo,      // one thread as far as it can go
  random,    // any ready thread
  priority,  // the ready warp with the highest random priority, with rare changes: lets one warp
             // run far ahead
};

struct Settings {
  Schedule schedule = Schedule::priority;
  uint64_t seed = 1;  // of everything random: schedule, block order, arrival of asynchronous copies
  int os_threads = 1;                      // blocks are dealt to this many
  size_t device_bytes = size_t{8} << 30;   // of memory the simulated device has
  size_t shared_bytes = size_t{99} << 10;  // that a block can have: as on the smallest cards
  bool clusters = true;                    // whether its blocks can be clusters

  // Defaults, overridden by GAN_SIM_SCHEDULE (fifo, lifo, random, priority), GAN_SIM_SEED and
  // GAN_SIM_THREADS.
  static Settings from_environment();
};

const char* schedule_name(Schedule schedule);

// What launches run with; from_environment() until changed.
Settings current_settings();

// Changes the settings until the end of the scope.
class ScopedSettings {
 public:
  explicit ScopedSettings(const Settings& settings);
  ~ScopedSettings();
  ScopedSettings(const ScopedSettings&) = delete;
  ScopedSettings& operator=(const ScopedSettings&) = delete;

 private:
  Settings previous_;
};

enum class Fault {
  deadlock,
  divergent_barrier,  // threads at different barriers, or not all of them at one
  divergent_warp,     // lanes in different warp operations, or some of them missing
  misaligned,
  copy_not_awaited,  // a thread returned before its cp.async copies were waited for
  shared_memory,  // more than the launch asked for, taken differently, or written outside an array
  device_memory,  // written outside an allocation
  misuse,         // an argument outside what the instruction allows
};

// One kernel and how often it was launched.
struct KernelRun {
  std::string name;  // demangled, with namespaces and template arguments
  uint64_t launches;
};

// Every kernel launched in this process so far. When GAN_SIM_KERNEL_LOG names a file, the names are
// also appended to it, one a line, when the process ends, so that a test can check all test
// programs together.
std::vector<KernelRun> executed_kernels();

}  // namespace gan::sim
