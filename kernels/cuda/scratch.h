// Working memory of an operation: what it needs while it runs, and nobody afterwards.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/memory.h"

namespace gan::cuda {

class Dataflow;

struct Scratch {
  void* memory = nullptr;
  // kArrivals words that are zero when a kernel begins, and again when it ends: blocks count themselves there.
  unsigned* arrivals = nullptr;

  static constexpr int kArrivals = 256;
  static constexpr size_t kArrivalBytes = kArrivals * sizeof(unsigned);
};

// Gives each operation in turn the same memory, which grows to the largest need and then stays. What it was
// before stays, too: recorded work goes on using it. Work that is recorded as its data asks for gets memory
// from `dataflow` (null: there is no such work).
class ScratchMemory {
 public:
  ScratchMemory(Memory& memory, Dataflow* dataflow);
  // Valid until the next call.
  Scratch get(size_t bytes);

 private:
  Memory& memory_;
  Dataflow* dataflow_;
  Buffer arrivals_;
  std::vector<Buffer> blocks_;  // the last is the present one
};

}  // namespace gan::cuda
