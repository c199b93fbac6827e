// What the host asks of a GPU beside launching kernels (gpu.h): which one it is, a stream, pinned
// memory, copies that nobody waits for, recorded work. nvcc/host.cu asks CUDA, sim/host.cpp imitates
// it. Failures throw Error. Used by one thread.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "engine/memory.h"
#include "kernels/cuda/gpu.h"

namespace gan::gpu {

struct Facts {
  std::string name;          // "NVIDIA H200"
  int major = 0, minor = 0;  // of its compute capability
  std::string built_for;     // the architectures this program holds code for
};
// Chooses device 0 for this process. Throws Error with the reason when there is none to be used: no
// driver, no device, or no code for it in this program.
Facts use_device();
// Of that device, now.
MemoryRoom memory_room();

// Tells a profiler that waits for it when to look at this process.
void profile(bool on);

// One that does not wait for the default stream. Lives as long as the process.
Stream make_stream();

// Memory of the host that copies can use while the host goes on.
class Pinned {
 public:
  explicit Pinned(size_t bytes);
  ~Pinned();
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  void* data_;
  size_t bytes_;
};

// A place in a stream that the host can wait for.
class Event {
 public:
  Event();
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void record(Stream stream);
  // Returns at once when the stream has passed the place, or none was recorded.
  void wait();

 private:
  CUevent_st* event_ = nullptr;
};

// Copies between pinned memory and the device, which the host does not wait for.
void copy_to_device_later(void* to, const Pinned& from, size_t bytes, Stream stream);
void copy_to_host_later(const Pinned& to, const void* from, size_t bytes, Stream stream);

// Launches, kept to be repeated: a CUDA graph.
class Graph {
 public:
  virtual ~Graph() = default;
  virtual void launch(Stream stream) = 0;
  virtual size_t nodes() const = 0;
};
// Runs `work` on the host; what it launches into `stream` is recorded, not run. The work must not
// allocate, copy from or to the host, or wait.
std::unique_ptr<Graph> record(Stream stream, const std::function<void()>& work);

}  // namespace gan::gpu
