// Networks that turn a gray photo into a coloured one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/layers.h"

namespace gan {

class Generator {
 public:
  virtual ~Generator() = default;
  // gray: {N, H, W, 3}, three equal channels in 0..1; H and W multiples of size_multiple().
  // Returns RGB in 0..1, {N, H, W, 3}.
  virtual Variable& forward(Context& context, Variable& gray) = 0;
  virtual int size_multiple() const = 0;

  const std::string& model() const { return model_; }  // the name for --model
  int width() const { return width_; }
  ParameterSet& parameters() { return parameters_; }
  const ParameterSet& parameters() const { return parameters_; }

 protected:
  Generator(std::string model, int width) : model_(std::move(model)), width_(width) {}
  ParameterSet parameters_;

 private:
  std::string model_;
  int width_;
};

// The names that make_generator knows.
const std::vector<std::string>& generator_models();
// `width`: base width of "gan"; "demo" has only one size and ignores it. Throws UsageError for an
// unknown model or a width outside 4..512 or not a multiple of 4. Memory and values are not there
// yet: see ParameterSet::allocate and initialize.
std::unique_ptr<Generator> make_generator(const std::string& model, int width);

}  // namespace gan
