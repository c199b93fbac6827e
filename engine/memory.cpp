#include "engine/memory.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>
#include <utility>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#endif

#include "engine/error.h"

namespace gan {
namespace {

constexpr size_t kAlignment = 256;  // a multiple of every cache line and vector width

// Blocks of at least this size ask for the processor's large pages: convolutions walk through
// hundreds of megabytes, and with small pages the translation of addresses takes much of their time.
constexpr size_t kLargePage = size_t{2} << 20;

void prefer_large_pages([[maybe_unused]] void* block, [[maybe_unused]] size_t bytes) {
#ifdef __linux__
  madvise(block, bytes, MADV_HUGEPAGE);  // only advice: a failure changes nothing
#endif
}

class HostMemory final : public Memory {
 public:
  DeviceKind device() const override { return DeviceKind::cpu; }
  void* allocate(size_t bytes) override {
    const size_t alignment = bytes >= kLargePage ? kLargePage : kAlignment;
    const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    void* block = std::aligned_alloc(alignment, rounded);
    if (!block) {
      throw DeviceError(str("out of memory: ", human_bytes(bytes),
                            " wanted; use a smaller --batch-size or --width"));
    }
    if (bytes >= kLargePage) prefer_large_pages(block, rounded);
    return block;
  }
  void release(void* block) noexcept override { std::free(block); }
  MemoryRoom room() const override;
  void fill_zero(void* block, size_t bytes) override { std::memset(block, 0, bytes); }
  void copy_from_host(void* to, const void* from, size_t bytes) override {
    std::memcpy(to, from, bytes);
  }
  void copy_to_host(void* to, const void* from, size_t bytes) override {
    std::memcpy(to, from, bytes);
  }
};

#ifdef __linux__
// What a file of lines with a name and a number, "file 4096", says under a name.
size_t number_in(const char* path, std::string_view wanted) {
  std::ifstream file(path);
  size_t number = 0;
  for (std::string name; file >> name >> number;) {
    if (name == wanted) return number;
  }
  return 0;
}
#endif

// What the system, the group of processes that this one is in, and a limit of its own leave to it.
MemoryRoom HostMemory::room() const {
  MemoryRoom room;
#ifdef __linux__
  std::ifstream system("/proc/meminfo");
  for (std::string name, unit; system >> name;) {
    size_t kilobytes = 0;
    if (!(system >> kilobytes)) break;
    std::getline(system, unit);
    if (name == "MemTotal:") room.total = kilobytes << 10;
    if (name == "MemAvailable:") room.free = kilobytes << 10;
  }
  size_t most = 0, used = 0;
  if (std::ifstream("/sys/fs/cgroup/memory.max") >> most &&
      std::ifstream("/sys/fs/cgroup/memory.current") >> used) {
    // Files that were read stay in memory only as long as nobody else wants it.
    constexpr const char* kStatistics = "/sys/fs/cgroup/memory.stat";
    used -= std::min(used, number_in(kStatistics, "file") - number_in(kStatistics, "shmem"));
    room.total = std::min(room.total, most);
    room.free = std::min(room.free, most > used ? most - used : 0);
  }
  rlimit limit{};
  size_t pages = 0;  // of this process
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      std::ifstream("/proc/self/statm") >> pages) {
    used = pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
    room.total = std::min<size_t>(room.total, limit.rlim_cur);
    room.free =
        std::min<size_t>(room.free, limit.rlim_cur - std::min<size_t>(limit.rlim_cur, used));
  }
#endif
  return room;
}

// From memory that the host can read.
class CopiedReadback final : public Readback {
 public:
  CopiedReadback(Memory& memory, size_t bytes) : memory_(memory), data_(bytes) {}
  void start(const void* from, size_t bytes) override {
    memory_.copy_to_host(data_.data(), from, bytes);
  }
  const void* wait() override { return data_.data(); }

 private:
  Memory& memory_;
  std::vector<std::byte> data_;
};

}  // namespace

std::unique_ptr<Readback> Memory::make_readback(size_t bytes) {
  return std::make_unique<CopiedReadback>(*this, bytes);
}

std::unique_ptr<Recording> Memory::record(const std::function<void()>&) {
  throw InternalError("this device does not record its work");
}

Memory& host_memory() {
  static HostMemory memory;
  return memory;
}

void Buffer::reset() noexcept {
  if (data_) memory_->release(data_);
  data_ = nullptr;
  bytes_ = 0;
}

void Buffer::swap(Buffer& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
}

std::string human_bytes(size_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"bytes", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return fixed(value, unit == 0 || value >= 100 ? 0 : 1) + " " + kUnits[unit];
}

}  // namespace gan
