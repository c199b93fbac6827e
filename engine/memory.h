// Where tensors live: a device's allocator, and blocks that own a piece of its memory.
#pragma once

#include <cstddef>
#include <string>

namespace gan {

enum class DeviceKind { cpu, gpu };

// Allocates and copies on one device. The host's is here; a GPU brings its own.
class Memory {
 public:
  virtual ~Memory() = default;
  virtual DeviceKind device() const = 0;
  // `bytes` bytes, aligned to at least 256. Throws DeviceError naming the size when there is none.
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* block) noexcept = 0;
  virtual void fill_zero(void* block, size_t bytes) = 0;
  virtual void copy_from_host(void* to, const void* from, size_t bytes) = 0;
  virtual void copy_to_host(void* to, const void* from, size_t bytes) = 0;
};

// The computer's own memory.
Memory& host_memory();

// Owns one block of a device's memory. Movable, not copyable.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Memory& memory, size_t bytes)
      : memory_(&memory), data_(bytes ? memory.allocate(bytes) : nullptr), bytes_(bytes) {}
  ~Buffer() { reset(); }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer(static_cast<Buffer&&>(other)).swap(*this);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  void reset() noexcept;
  void swap(Buffer& other) noexcept;

 private:
  Memory* memory_ = nullptr;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// "1.4 GB": a size for people.
std::string human_bytes(size_t bytes);

}  // namespace gan
