#include "engine/memory.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "engine/error.h"

namespace gan {
namespace {

constexpr size_t kAlignment = 256;  // a multiple of every cache line and vector width

class HostMemory final : public Memory {
 public:
  DeviceKind device() const override { return DeviceKind::cpu; }
  void* allocate(size_t bytes) override {
    void* block = ::operator new (bytes, std::align_val_t{kAlignment}, std::nothrow);
    if (!block) {
      throw DeviceError(str("out of memory: ", human_bytes(bytes),
                            " wanted; use a smaller --batch-size or --width"));
    }
    return block;
  }
  void release(void* block) noexcept override {
    ::operator delete (block, std::align_val_t{kAlignment});
  }
  void fill_zero(void* block, size_t bytes) override { std::memset(block, 0, bytes); }
  void copy_from_host(void* to, const void* from, size_t bytes) override {
    std::memcpy(to, from, bytes);
  }
  void copy_to_host(void* to, const void* from, size_t bytes) override {
    std::memcpy(to, from, bytes);
  }
};

}  // namespace

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
