// Reverse-mode differentiation. Knows tensors and the order in which they were made, and no
// operation by name: an operation records how to run itself backwards.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "engine/arena.h"
#include "engine/tensor.h"

namespace gan {

// How a result meets what its destination already holds.
enum class Write { overwrite, accumulate };

// A tensor and its gradient.
struct Variable {
  Tensor value;
  Tensor grad;  // same shape as value; without memory until a gradient arrives
  bool needs_grad = false;
  bool grad_written = false;  // false: grad's content is stale, and the next gradient overwrites it
  // Names the content of a value that outlives a step, so that a backend may keep what it derived
  // from it (packed weights). 0: temporary, derive anew each time.
  uint64_t version = 0;
};

// Versions are never reused, so (address, version) identifies a content.
uint64_t next_version();

// The record of one forward pass. Variables made by a tape live until its reset().
class Tape {
 public:
  explicit Tape(Memory& memory) : arena_(memory) {}
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // Uninitialised memory that lives as long as this tape's variables.
  Tensor allocate(Shape shape, DType dtype) { return arena_.allocate(shape, dtype); }

  // A value that no gradient reaches: inputs, targets, detached results.
  Variable& constant(const Tensor& value);
  // The result of an operation.
  Variable& variable(const Tensor& value, bool needs_grad);

  // Where the next gradient of `variable` goes. The first one overwrites, the later ones
  // accumulate, so nothing has to be zeroed beforehand.
  struct GradTarget {
    Tensor grad;
    Write write;
  };
  GradTarget grad_target(Variable& variable);

  // Makes `grad` the gradient of `variable` without a copy. Only for a variable without one.
  void adopt_grad(Variable& variable, const Tensor& grad);

  // Remembers how to turn the gradient of `output` into those of the operation's inputs. Ignored
  // when `output` needs no gradient.
  void record(const Variable& output, std::function<void()> backward);

  // Runs the recorded operations in reverse. Those whose output received no gradient are skipped.
  // The record is used up; the variables stay valid.
  void backward();

  // Forgets everything and takes all memory back.
  void reset();

  Memory& memory() const { return arena_.memory(); }
  const Arena& arena() const { return arena_; }
  size_t peak_bytes() const { return arena_.peak_bytes(); }

 private:
  struct Step {
    const Variable* output;
    std::function<void()> backward;
  };

  Arena arena_;
  std::deque<Variable> variables_;  // addresses stay valid as it grows
  std::vector<Step> steps_;
};

}  // namespace gan
