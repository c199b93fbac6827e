// The learned and running values of a network, kept in flat buffers.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "engine/autograd.h"
#include "engine/memory.h"
#include "engine/tensor.h"

namespace gan {

// How a tensor is laid out in weights files, which follow PyTorch. In memory all are {rows, h, w,
// columns} (engine/tensor.h).
enum class FileLayout : uint8_t {
  vector,           // C
  conv,             // rows, columns, h, w: O,I,H,W
  transposed_conv,  // the same: I,O,H,W
  linear,           // rows, columns*h*w: each row is a flattened N,C,H,W picture
};

struct Initial {
  enum class Kind : uint8_t { constant, uniform } kind = Kind::constant;
  double value = 0;  // the constant, or the bound of a uniform distribution in [-value, value)

  static Initial constant(double value) { return {Kind::constant, value}; }
  static Initial uniform(double bound) { return {Kind::uniform, bound}; }
};

// What a network is for: inference needs no memory for gradients.
enum class Use : uint8_t { training, inference };

struct Parameter : Variable {
  std::string name;
  FileLayout layout = FileLayout::vector;
  Initial initial;
  bool learned = true;  // false: a running statistic
};

// Layers add their parameters, then allocate() lays all of them out: learned values first, one
// flat tensor, and their gradients in another of the same order, so that an optimiser step is one
// call and a checkpoint one copy.
class ParameterSet {
 public:
  ParameterSet() = default;
  ParameterSet(const ParameterSet&) = delete;
  ParameterSet& operator=(const ParameterSet&) = delete;

  // The reference stays valid as long as the set. Names must be unique.
  Parameter& add(std::string name, const Shape& shape, FileLayout layout, Initial initial);
  Parameter& add_running(std::string name, const Shape& shape, Initial initial);

  // Gives every parameter its memory. Once, after all have been added.
  void allocate(Memory& memory, DType dtype, Use use);
  // Draws the initial values. A parameter's numbers depend on the seed and its name only.
  void initialize(uint64_t seed);

  std::deque<Parameter>& all() { return parameters_; }
  const std::deque<Parameter>& all() const { return parameters_; }
  int64_t learned_count() const { return learned_elements_; }  // numbers the optimiser changes

  const Tensor& values() const { return values_; }        // learned values, flat
  const Tensor& gradients() const { return gradients_; }  // flat, same order
  Memory& memory() const { return *memory_; }

  // Whether gradients flow into the learned values.
  void set_needs_grad(bool needs_grad);
  // Says that no gradient has arrived yet: the next ones overwrite.
  void forget_gradients();
  // Says that values changed, so that nobody uses what was derived from the old ones.
  void values_changed();

 private:
  std::deque<Parameter> parameters_;
  Memory* memory_ = nullptr;
  Buffer storage_;
  Tensor values_, gradients_;
  int64_t learned_elements_ = 0;
};

// While it lives, no gradients flow into the parameters: for passes through a network that is not
// being trained.
class Frozen {
 public:
  explicit Frozen(ParameterSet& parameters) : parameters_(parameters) {
    parameters_.set_needs_grad(false);
  }
  ~Frozen() { parameters_.set_needs_grad(true); }
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;

 private:
  ParameterSet& parameters_;
};

}  // namespace gan
