// Where tensors live: a device's allocator, and blocks that own a piece of its memory.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace gan {

enum class DeviceKind { cpu, gpu };

// How much of a device's memory can be had, and how much there is. Zeros: the device does not say.
struct MemoryRoom {
  size_t free = 0, total = 0;
};

// Numbers on their way from a device to the host.
class Readback {
 public:
  virtual ~Readback() = default;
  // Begins to fetch `bytes` bytes, at most as many as it was made for, as they are when all work
  // given to the device before is done. What was fetched before is gone.
  virtual void start(const void* from, size_t bytes) = 0;
  // What was fetched, as soon as it is there. Valid until the next start().
  virtual const void* wait() = 0;
};

// A device's work that was recorded once and can be repeated at little cost.
class Recording {
 public:
  virtual ~Recording() = default;
  virtual void replay() = 0;
  virtual size_t operations() const = 0;
};

// Allocates and copies on one device, in the order of the work given to it. The host's is here; a GPU
// brings its own.
class Memory {
 public:
  virtual ~Memory() = default;
  virtual DeviceKind device() const = 0;
  // `bytes` bytes, aligned to at least 256. Throws DeviceError naming the size when there is none.
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* block) noexcept = 0;
  virtual MemoryRoom room() const { return {}; }
  virtual void fill_zero(void* block, size_t bytes) = 0;
  virtual void copy_from_host(void* to, const void* from, size_t bytes) = 0;
  virtual void copy_to_host(void* to, const void* from, size_t bytes) = 0;

  // Bytes that Buffers hold of it now, and held at most since restart_most().
  size_t in_use() const { return in_use_; }
  size_t most_in_use() const { return most_in_use_; }
  void restart_most() { most_in_use_ = in_use_.load(); }

  // copy_from_host without waiting, where the device can: `from` may be reused at once, and work given
  // to the device from now on sees the copy.
  virtual void send(void* to, const void* from, size_t bytes) { copy_from_host(to, from, bytes); }
  virtual std::unique_ptr<Readback> make_readback(size_t bytes);
  // How many steps of work the host may usefully be ahead of the device. 0: none, work is done when
  // the call that asks for it returns.
  virtual int steps_ahead() const { return 0; }

  // Whether record() works. Where it does not, work is simply done again.
  virtual bool records() const { return false; }
  // Runs `work` on the host and records what it gives to the device, which does not do it yet. Such
  // work must neither allocate nor copy between device and host.
  virtual std::unique_ptr<Recording> record(const std::function<void()>& work);
  // How much of it all recordings together take, at worst and about, beside what the work itself takes.
  virtual size_t most_recording_bytes() const { return 0; }

 private:
  friend class Buffer;
  void count(size_t bytes);
  std::atomic<size_t> in_use_ = 0, most_in_use_ = 0;
};

// The computer's own memory.
Memory& host_memory();

// Owns one block of a device's memory. Movable, not copyable.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Memory& memory, size_t bytes);
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
