// kernels/cuda/host.h in the simulator: memory is the computer's own, launches are finished when they
// return, recorded work is a list of launches, copies happen at once.
#include "kernels/cuda/host.h"

#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "kernels/cuda/sim/guarded_memory.h"
#include "kernels/cuda/sim/simulator.h"
#include "kernels/cuda/wgmma.h"

namespace gan::sim {
namespace {

struct Recorder {
  const CUstream_st* stream = nullptr;
  std::vector<std::function<void()>>* launches = nullptr;  // null: nothing is being recorded
};
Recorder recorder;

}  // namespace

bool recording(const CUstream_st* stream) {
  if (!recorder.launches) return false;
  if (stream != recorder.stream)
    throw gpu::Error("a launch into another stream than the one that is being recorded");
  return true;
}

void record(std::function<void()> launch) {
  recorder.launches->push_back(std::move(launch));
}

void refuse_while_recording(const char* what) {
  if (recorder.launches) throw gpu::Error(str(what, " while work is being recorded"));
}

}  // namespace gan::sim

namespace gan::gpu {
namespace {

class LaunchList final : public Graph {
 public:
  explicit LaunchList(std::vector<std::function<void()>> launches)
      : launches_(std::move(launches)) {}
  void launch(Stream) override {
    ++host_calls().replays;
    for (const auto& launch : launches_) launch();
  }
  size_t nodes() const override { return launches_.size(); }

 private:
  std::vector<std::function<void()>> launches_;
};

}  // namespace

bool has_wgmma() {
  return true;
}

Facts use_device() {
  return {"simulator", 8, 0, "the simulator"};
}

MemoryRoom memory_room() {
  const size_t total = sim::current_settings().device_bytes, used = sim::device_bytes_in_use();
  return {used < total ? total - used : 0, total};
}

void profile(bool) {}

Stream make_stream() {
  static char streams[16];
  static size_t next = 0;
  return reinterpret_cast<Stream>(&streams[next++ % sizeof(streams)]);
}

Pinned::Pinned(size_t bytes) : data_(std::malloc(bytes)), bytes_(bytes) {
  ++host_calls().allocations;
}
Pinned::~Pinned() {
  std::free(data_);
}

Event::Event() = default;
Event::~Event() = default;
void Event::record(Stream) {}
void Event::wait() {}

void copy_to_device_later(void* to, const Pinned& from, size_t bytes, Stream stream) {
  copy_to_device(to, from.data(), bytes, stream);
}
void copy_to_host_later(const Pinned& to, const void* from, size_t bytes, Stream stream) {
  copy_to_host(to.data(), from, bytes, stream);
}

std::unique_ptr<Graph> record(Stream stream, const std::function<void()>& work) {
  if (stream == nullptr) throw Error("the default stream cannot be recorded");
  sim::refuse_while_recording("recording");
  std::vector<std::function<void()>> launches;
  sim::recorder = {stream, &launches};
  try {
    work();
  } catch (...) {
    sim::recorder = {};
    throw;
  }
  sim::recorder = {};
  return std::make_unique<LaunchList>(std::move(launches));
}

}  // namespace gan::gpu
