#include <charconv>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>

#include "kernels/cuda/gpu.h"
#include "kernels/cuda/sim/simulator.h"

namespace gan::sim {

namespace {

constexpr Schedule kAllSchedules[] = {Schedule::fifo, Schedule::lifo, Schedule::random,
                                      Schedule::priority};

std::mutex mutex;
std::optional<Settings> settings;

template <class Integer>
void read_number(const char* variable, Integer lowest, Integer& value) {
  const char* text = std::getenv(variable);
  if (!text) return;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, value);
  if (error != std::errc() || stop != end || value < lowest)
    throw gpu::Error(str(variable, "=", text, " is not a number of at least ", lowest));
}

}  // namespace

const char* schedule_name(Schedule schedule) {
  switch (schedule) {
    case Schedule::fifo:
      return "fifo";
    case Schedule::lifo:
      return "lifo";
    case Schedule::random:
      return "random";
    case Schedule::priority:
      return "priority";
  }
  return "unknown";
}

Settings Settings::from_environment() {
  Settings result;
  if (const char* text = std::getenv("GAN_SIM_SCHEDULE")) {
    const Schedule* found = nullptr;
    for (const Schedule& schedule : kAllSchedules)
      if (std::strcmp(text, schedule_name(schedule)) == 0) found = &schedule;
    if (!found)
      throw gpu::Error(str("GAN_SIM_SCHEDULE=", text, "; it is fifo, lifo, random or priority"));
    result.schedule = *found;
  }
  read_number("GAN_SIM_SEED", uint64_t{0}, result.seed);
  read_number("GAN_SIM_THREADS", 1, result.os_threads);
  return result;
}

Settings current_settings() {
  const std::lock_guard lock(mutex);
  if (!settings) settings = Settings::from_environment();
  return *settings;
}

ScopedSettings::ScopedSettings(const Settings& wanted) : previous_(current_settings()) {
  const std::lock_guard lock(mutex);
  settings = wanted;
}

ScopedSettings::~ScopedSettings() {
  const std::lock_guard lock(mutex);
  settings = previous_;
}

}  // namespace gan::sim
