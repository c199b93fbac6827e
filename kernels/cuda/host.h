// What the host asks of a GPU beside launching kernels (gpu.h): which one it is, a stream, pinned
// memory, copies that nobody waits for, recorded work. nvcc/host.cu asks CUDA, sim/host.cpp imitates
// it. Failures throw Error. Used by one thread.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/memory.h"
#include "kernels/cuda/gpu.h"

struct CUgraphNode_st;

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

// How long a stream takes from one place to another, without waiting for it.
class Stopwatch {
 public:
  Stopwatch();
  ~Stopwatch();
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  void start(Stream stream);
  void stop(Stream stream);
  // Between the last two; nothing as long as the stream has not come to the second.
  std::optional<double> seconds();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Copies between pinned memory and the device, which the host does not wait for.
void copy_to_device_later(void* to, const Pinned& from, size_t bytes, Stream stream);
void copy_to_host_later(const Pinned& to, const void* from, size_t bytes, Stream stream);

// A launch in recorded work.
using Node = CUgraphNode_st*;

// Launches, kept to be repeated: a CUDA graph.
class Graph {
 public:
  virtual ~Graph() = default;
  // Before make_ready(): whether the device shall begin with these launches, and with those before
  // them that have not been spoken of yet, where others could begin, too.
  virtual void prefer(const std::vector<Node>& last, bool preferred) = 0;
  // Before the first launch: what may fail fails here.
  virtual void make_ready() = 0;
  virtual void launch(Stream stream) = 0;
  virtual size_t nodes() const = 0;
};
// Whether recorded work may ask for device memory. Copies from or to the host, and waiting, it never may.
enum class Allocations : uint8_t { refused, allowed };
// Runs `work` on the host; what it launches into `stream` is recorded, not run.
std::unique_ptr<Graph> record(Stream stream, const std::function<void()>& work,
                              Allocations allocations = Allocations::refused);

// What the next launch into this stream, which is being recorded, will come after: in the beginning nothing,
// later the launch before it, unless record_after() has said otherwise.
std::vector<Node> record_position(Stream stream);
void record_after(Stream stream, const std::vector<Node>& nodes);

}  // namespace gan::gpu
