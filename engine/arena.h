// Memory for the activations of one step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/memory.h"
#include "engine/tensor.h"

namespace gan {

// Hands out tensors one after another and takes them all back at once. The first step grows the
// arena block by block; reset() then merges the blocks into one of the size that was needed, so a
// step of the same shapes never allocates again and finds every tensor at the same address.
class Arena {
 public:
  explicit Arena(Memory& memory) : memory_(&memory) {}

  // An uninitialised dense tensor, valid until reset().
  Tensor allocate(Shape shape, DType dtype);
  void reset();

  Memory& memory() const { return *memory_; }
  // Whether the next reset() leaves all memory where it is.
  bool settled() const { return blocks_.size() <= 1; }
  // Changes when memory that tensors were handed out from is given back: what was recorded before
  // must not be repeated then.
  uint64_t generation() const { return generation_; }
  // The most bytes in use at once so far.
  size_t peak_bytes() const { return peak_; }

 private:
  Memory* memory_;
  std::vector<Buffer> blocks_;
  size_t used_in_last_ = 0;  // bytes handed out from blocks_.back()
  size_t used_before_ = 0;   // bytes handed out from the blocks before it
  size_t peak_ = 0;
  uint64_t generation_ = 0;
};

}  // namespace gan
