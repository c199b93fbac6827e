#include "engine/autograd.h"

#include <atomic>
#include <utility>

namespace gan {

uint64_t next_version() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

Variable& Tape::constant(const Tensor& value) {
  return variable(value, false);
}

Variable& Tape::variable(const Tensor& value, bool needs_grad) {
  Variable& made = variables_.emplace_back();
  made.value = value;
  made.needs_grad = needs_grad;
  return made;
}

Tape::GradTarget Tape::grad_target(Variable& variable) {
  require(variable.needs_grad, "a gradient was asked for a value that needs none, of shape ",
          variable.value.shape());
  if (!variable.grad) variable.grad = allocate(variable.value.shape(), variable.value.dtype());
  require(variable.grad.shape() == variable.value.shape(), "gradient of shape ",
          variable.grad.shape(), " for a value of shape ", variable.value.shape());
  const Write write = variable.grad_written ? Write::accumulate : Write::overwrite;
  variable.grad_written = true;
  return {variable.grad, write};
}

void Tape::adopt_grad(Variable& variable, const Tensor& grad) {
  require(variable.needs_grad && !variable.grad_written && grad.shape() == variable.value.shape(),
          "cannot adopt a gradient of shape ", grad.shape(), " for a value of shape ",
          variable.value.shape());
  variable.grad = grad;
  variable.grad_written = true;
}

void Tape::record(const Variable& output, std::function<void()> backward) {
  if (output.needs_grad) steps_.push_back({&output, std::move(backward)});
}

void Tape::backward() {
  while (!steps_.empty()) {
    const Step step = std::move(steps_.back());
    steps_.pop_back();
    if (step.output->grad_written) step.backward();
  }
}

void Tape::reset() {
  steps_.clear();
  variables_.clear();
  arena_.reset();
}

}  // namespace gan
