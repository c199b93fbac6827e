// Recorded work in the order that its data asks for, instead of the order in which it was given.
//
// A stream runs one kernel after another. Most kernels of a small batch leave part of a GPU idle, and many
// need nothing of the one before: a weight gradient nothing of the data gradient beside it, the discriminator
// on real photos nothing of the generator. Here every operation says what it reads and writes, and comes after
// just those before it which write what it reads or writes, or read what it writes. A recording made so is a
// graph whose branches the device may run side by side. Each kernel computes what it would have computed in
// the given order: the bytes are the same.
//
// What the longest chain of operations is made of is preferred: whatever else is ready fills what it leaves
// free, and does not keep it waiting.
//
// Working memory is the one thing that operations share without needing each other. While such a recording is
// made it comes from here, so that no two operations that may run at the same time have the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <vector>

#include "engine/tensor.h"
#include "kernels/cuda/host.h"
#include "kernels/cuda/scratch.h"

namespace gan::cuda {

// Bytes of device memory from `begin` up to `end`. A slice of channels reaches from its first byte to its
// last: it counts as touching the other channels, too.
struct Region {
  uintptr_t begin = 0, end = 0;

  Region(const Tensor& tensor);
  Region(const void* data, size_t bytes)
      : begin(reinterpret_cast<uintptr_t>(data)), end(data ? begin + bytes : begin) {}
  bool meets(const Region& other) const { return begin < other.end && other.begin < end; }
};

class Dataflow {
 public:
  using Regions = std::initializer_list<Region>;

  // What an operation writes whose kernel may be one of gpu::launch_together, all blocks of which have to be
  // on the device before any can go on. Of two that each had a part of the device neither would ever end,
  // and nothing promises that a device begins one before the other: so they come one after another.
  static Region whole_device();

  Dataflow(Memory& memory, gpu::Stream stream) : memory_(memory), stream_(stream) {}

  // A graph, and its working memory: pieces whose first Scratch::kArrivalBytes have to be zero before it is
  // launched. Graphs of one Dataflow share pieces: no two of them may run at the same time.
  struct Recorded {
    std::vector<std::shared_ptr<Buffer>> working_memory;
    std::unique_ptr<gpu::Graph> graph;
    bool chain = true;  // no operation is beside another: the given order is as good
  };
  // Runs `work` on the host and records what it launches, in operations. It must not allocate.
  Recorded record(const std::function<void()>& work);
  bool recording() const { return recording_; }
  // Whether working memory is being allocated, which is allowed while recording.
  bool allocating() const { return allocating_; }

  // Runs `launches`, which read and write just these regions. An operation may begin inside another one,
  // which then has to come after it.
  void operation(Regions reads, Regions writes, const std::function<void()>& launches);
  // The same of the operation that is running, before the launches that do it.
  void reads(const Region& region) { touch({{region, false}}); }
  void writes(const Region& region) { touch({{region, true}}); }
  // Working memory of the running operation, its own until the operation is done. Where all of it together
  // would be more than kMostApart, the operation waits for another one's, if one is large enough.
  Scratch scratch(size_t bytes);
  static constexpr size_t kMostApart = size_t{256} << 20;

 private:
  struct Access {
    Region region;
    bool writes;
  };
  struct Operation {
    std::vector<Access> accesses;
    std::vector<bool> after;       // which other operations are done before its next launch
    std::vector<gpu::Node> nodes;  // the launches that end it
  };
  struct Piece {
    std::shared_ptr<Buffer> memory;
    std::optional<size_t> user;  // the last operation that had it; none in this recording
  };

  void require_nothing_else() const;
  void touch(const std::vector<Access>& accesses);
  void come_after(size_t other);
  Piece& piece_of(size_t bytes);
  // How many operations it has.
  size_t prefer_the_longest_chain(gpu::Graph& graph) const;
  Operation& running() { return operations_[running_.back()]; }

  Memory& memory_;
  gpu::Stream stream_;
  bool recording_ = false, allocating_ = false;
  std::vector<Operation> operations_;
  std::vector<size_t> running_;  // from the outermost to the innermost
  std::vector<size_t> done_;  // in the order in which they ended: each after those it comes after
  std::vector<Piece> pieces_;
  std::vector<std::weak_ptr<Buffer>> shared_pieces_;  // of all graphs that there are
};

}  // namespace gan::cuda
