// kernels/cuda/host.h in the simulator: memory is the computer's own, launches are finished when they
// return, copies happen at once. Recorded work is launched one by one, in some order in which each launch
// comes after those that it has to: the schedule and the seed say which.
#include "kernels/cuda/host.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "kernels/cuda/cluster.h"
#include "kernels/cuda/sim/guarded_memory.h"
#include "kernels/cuda/sim/ready_queue.h"
#include "kernels/cuda/sim/simulator.h"
#include "kernels/cuda/wgmma.h"

namespace gan::sim {
namespace {

struct RecordedLaunch {
  std::function<void()> run;
  std::vector<size_t> after;
  bool preferred = false, spoken_of = false;  // see Graph::prefer
};

struct Recorder {
  const CUstream_st* stream = nullptr;
  std::vector<RecordedLaunch>* launches = nullptr;  // null: nothing is being recorded
  std::vector<size_t> position = {};                // what the next launch comes after
  bool allocations = false;                         // whether they are allowed
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
  recorder.launches->push_back({.run = std::move(launch), .after = recorder.position});
  recorder.position = {recorder.launches->size() - 1};
}

void refuse_allocation_while_recording() {
  if (!recorder.allocations) refuse_while_recording("an allocation");
}

void refuse_while_recording(const char* what) {
  if (recorder.launches) throw gpu::Error(str(what, " while work is being recorded"));
}

}  // namespace gan::sim

namespace gan::gpu {
namespace {

// A node is a launch's number, counted from 1.
Node node_of(size_t launch) {
  return reinterpret_cast<Node>(launch + 1);  // NOLINT(performance-no-int-to-ptr)
}
std::vector<size_t> numbers_of(const std::vector<Node>& nodes) {
  std::vector<size_t> numbers;
  for (Node node : nodes) numbers.push_back(reinterpret_cast<size_t>(node) - 1);
  return numbers;
}

class LaunchGraph final : public Graph {
 public:
  explicit LaunchGraph(std::vector<sim::RecordedLaunch> launches)
      : launches_(std::move(launches)), followers_(launches_.size()) {
    for (size_t i = 0; i < launches_.size(); ++i)
      for (const size_t first : launches_[i].after) followers_[first].push_back(i);
  }

  void prefer(const std::vector<Node>& last, bool preferred) override {
    std::vector<size_t> launches = numbers_of(last);
    while (!launches.empty()) {
      sim::RecordedLaunch& launch = launches_[launches.back()];
      launches.pop_back();
      if (std::exchange(launch.spoken_of, true)) continue;
      launch.preferred = preferred;
      launches.insert(launches.end(), launch.after.begin(), launch.after.end());
    }
  }

  void make_ready() override {}
  void launch(Stream) override {
    const sim::Settings settings = sim::current_settings();
    sim::Random random(settings.seed + host_calls().replays++);
    std::vector<size_t> waits_for, ready;  // ready: in the order in which they became so
    for (size_t i = 0; i < launches_.size(); ++i) {
      waits_for.push_back(launches_[i].after.size());
      if (waits_for.back() == 0) ready.push_back(i);
    }
    while (!ready.empty()) {
      const ptrdiff_t next = choose(settings.schedule, random, ready);
      const size_t launch = ready[next];
      ready.erase(ready.begin() + next);
      launches_[launch].run();
      for (const size_t follower : followers_[launch])
        if (--waits_for[follower] == 0) ready.push_back(follower);
    }
  }
  size_t nodes() const override { return launches_.size(); }

 private:
  // fifo alone keeps to what is preferred: the others look for mistakes.
  ptrdiff_t choose(sim::Schedule schedule, sim::Random& random,
                   const std::vector<size_t>& ready) const {
    const auto count = static_cast<ptrdiff_t>(ready.size());
    if (schedule == sim::Schedule::lifo) return count - 1;
    if (schedule != sim::Schedule::fifo) return random.below(static_cast<int>(count));
    const auto preferred = std::find_if(ready.begin(), ready.end(),
                                        [&](size_t launch) { return launches_[launch].preferred; });
    return preferred == ready.end() ? 0 : preferred - ready.begin();
  }

  std::vector<sim::RecordedLaunch> launches_;
  std::vector<std::vector<size_t>> followers_;
};

}  // namespace

bool has_wgmma() {
  return true;
}
size_t most_shared_bytes() {
  return sim::current_settings().shared_bytes;
}

bool has_clusters() {
  return sim::current_settings().clusters;
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

// The simulator's own time, which says nothing of a GPU's.
struct Stopwatch::State {
  std::chrono::steady_clock::time_point start, stop;
};

Stopwatch::Stopwatch() : state_(std::make_unique<State>()) {}
Stopwatch::~Stopwatch() = default;
void Stopwatch::start(Stream) {
  state_->start = std::chrono::steady_clock::now();
}
void Stopwatch::stop(Stream) {
  state_->stop = std::chrono::steady_clock::now();
}
std::optional<double> Stopwatch::seconds() {
  return std::chrono::duration<double>(state_->stop - state_->start).count();
}

void copy_to_device_later(void* to, const Pinned& from, size_t bytes, Stream stream) {
  copy_to_device(to, from.data(), bytes, stream);
}
void copy_to_host_later(const Pinned& to, const void* from, size_t bytes, Stream stream) {
  copy_to_host(to.data(), from, bytes, stream);
}

std::unique_ptr<Graph> record(Stream stream, const std::function<void()>& work,
                              Allocations allocations) {
  if (stream == nullptr) throw Error("the default stream cannot be recorded");
  sim::refuse_while_recording("recording");
  std::vector<sim::RecordedLaunch> launches;
  sim::recorder = {stream, &launches, {}, allocations == Allocations::allowed};
  try {
    work();
  } catch (...) {
    sim::recorder = {};
    throw;
  }
  sim::recorder = {};
  return std::make_unique<LaunchGraph>(std::move(launches));
}

std::vector<Node> record_position(Stream stream) {
  if (!sim::recording(stream)) throw Error("the stream is not being recorded");
  std::vector<Node> nodes;
  for (const size_t launch : sim::recorder.position) nodes.push_back(node_of(launch));
  return nodes;
}

void record_after(Stream stream, const std::vector<Node>& nodes) {
  if (!sim::recording(stream)) throw Error("the stream is not being recorded");
  sim::recorder.position = numbers_of(nodes);
}

}  // namespace gan::gpu
