// Work that is done again and again, recorded once.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <vector>

#include "engine/arena.h"

namespace gan {

// Runs pieces of work on a device. One that comes back with the same key is recorded, where the
// device can do that, and replayed from then on: the host's part of it is not run any more, so what
// it leaves behind on the host must not change from one time to the next.
class Replay {
 public:
  // Names a piece of work: everything that its launches depend on and that changes - shapes, switches,
  // addresses, constants given by value. What changes without being named must lie in device memory.
  using Key = std::vector<uint64_t>;

  explicit Replay(Memory& memory) : memory_(memory) {}

  // `arenas`: all that the work takes memory from, after a reset() of its own. The first times with a
  // new key, the work is run as it is, until the arenas have grown to their size; recordings are
  // dropped when an arena moves.
  void run(const Key& key, std::initializer_list<const Arena*> arenas,
           const std::function<void()>& work);

  // Operations of the recording that ran last; 0 when the work was run as it is.
  size_t operations() const { return operations_; }

 private:
  struct Entry {
    Key key;
    bool ready = false;  // has run, and will find all its memory where it was
    std::unique_ptr<Recording> recording;
    uint64_t used = 0;
  };
  Entry& entry_for(const Key& key);

  Memory& memory_;
  std::vector<Entry> entries_;
  uint64_t generation_ = 0;  // sum of the arenas' when the entries were made
  uint64_t runs_ = 0;
  size_t operations_ = 0;
};

// A function that does `work` so many times over: recorded as one piece where the memory records, where it
// takes the host no time then. `work` has run before, and finds all its memory where it was.
std::function<void()> repeated(Memory& memory, int times, std::function<void()> work);

}  // namespace gan
