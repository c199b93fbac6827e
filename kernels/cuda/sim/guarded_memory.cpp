#include "kernels/cuda/sim/guarded_memory.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>

#include "kernels/cuda/gpu.h"
#include "kernels/cuda/sim/multiprocessor.h"
#include "kernels/cuda/sim/sanitizer.h"
#include "kernels/cuda/sim/simulator.h"

namespace gan::sim {

namespace {

constexpr std::byte kPoison{0xff};  // a NaN in every float format
constexpr size_t kDeviceAlignment = 256;
constexpr size_t kDeviceMargin = 4096;

size_t actual(size_t margin) {
  return sanitizer::kAddress ? 0 : margin;
}

// Every device_alloc that has not been freed, with its size.
struct Allocations {
  std::mutex mutex;
  std::map<std::byte*, size_t> live;
  size_t bytes = 0;  // of all of them
};

Allocations& allocations() {
  // Never destroyed: device memory may be freed by destructors of other static objects.
  static auto* const allocations = new Allocations;
  return *allocations;
}

}  // namespace

std::byte* allocate_guarded(size_t bytes, size_t alignment, size_t margin) {
  margin = actual(margin);
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, bytes + 2 * margin) != 0) throw std::bad_alloc();
  std::memset(memory, std::to_integer<int>(kPoison), bytes + 2 * margin);
  return static_cast<std::byte*>(memory) + margin;
}

void free_guarded(std::byte* memory, size_t margin) {
  std::free(memory - actual(margin));
}

std::string margin_damage(const std::byte* memory, size_t bytes, size_t margin) {
  const std::byte* const end = memory + bytes;
  for (size_t i = 0; i < actual(margin); ++i) {
    if (end[i] != kPoison) return str(i, " bytes past the end");
    if (*(memory - 1 - i) != kPoison) return str(i + 1, " bytes before the start");
  }
  return {};
}

void* allocate_device(size_t bytes) {
  const size_t limit = current_settings().device_bytes, used = device_bytes_in_use();
  if (used > limit || bytes > limit - used)
    throw gpu::Error(
        str("the simulated device has ", limit, " bytes of memory, ", used, " in use"));
  std::byte* const memory = allocate_guarded(bytes, kDeviceAlignment, kDeviceMargin);
  const std::lock_guard lock(allocations().mutex);
  allocations().live[memory] = bytes;
  allocations().bytes += bytes;
  return memory;
}

size_t device_bytes_in_use() {
  const std::lock_guard lock(allocations().mutex);
  return allocations().bytes;
}

void free_device(void* memory) noexcept {
  if (!memory) return;
  auto* const bytes = static_cast<std::byte*>(memory);
  const std::lock_guard lock(allocations().mutex);
  const auto found = allocations().live.find(bytes);
  allocations().bytes -= found->second;
  allocations().live.erase(found);
  free_guarded(bytes, kDeviceMargin);
}

void check_device_memory(const void* kernel) {
  const std::lock_guard lock(allocations().mutex);
  for (const auto& [memory, bytes] : allocations().live) {
    const std::string damage = margin_damage(memory, bytes, kDeviceMargin);
    if (damage.empty()) continue;
    // Repaired, or every later launch would be blamed too.
    std::memset(memory - kDeviceMargin, std::to_integer<int>(kPoison), kDeviceMargin);
    std::memset(memory + bytes, std::to_integer<int>(kPoison), kDeviceMargin);
    throw Error(Fault::device_memory, str(function_name(kernel), " wrote ", damage,
                                          " of a device allocation of ", bytes, " bytes"));
  }
}

}  // namespace gan::sim
