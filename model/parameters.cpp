#include "model/parameters.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/random.h"
#include "engine/version.h"

namespace gan {
namespace {

constexpr int64_t kAlignElements = 64;  // each parameter starts on its own cache lines

int64_t aligned(int64_t elements) {
  return (elements + kAlignElements - 1) / kAlignElements * kAlignElements;
}

uint64_t hash_of(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (unsigned char c : text) hash = (hash ^ c) * 0x100000001b3u;
  return hash;
}

}  // namespace

Parameter& ParameterSet::add(std::string name, const Shape& shape, FileLayout layout,
                             Initial initial) {
  require(!memory_, "parameter ", name, " added after allocation");
  for (const Parameter& other : parameters_)
    require(other.name != name, "two parameters are called ", name);
  Parameter& made = parameters_.emplace_back();
  made.value = Tensor(nullptr, shape, DType::f32);
  made.needs_grad = true;
  made.name = std::move(name);
  made.layout = layout;
  made.initial = initial;
  return made;
}

Parameter& ParameterSet::add_running(std::string name, const Shape& shape, Initial initial) {
  Parameter& made = add(std::move(name), shape, FileLayout::vector, initial);
  made.needs_grad = false;
  made.learned = false;
  return made;
}

void ParameterSet::allocate(Memory& memory, DType dtype, Use use) {
  require(!memory_, "parameters allocated twice");
  memory_ = &memory;
  int64_t learned = 0, running = 0;
  for (const Parameter& p : parameters_) {
    (p.learned ? learned : running) += aligned(p.value.elements());
    if (p.learned) learned_elements_ += p.value.elements();
  }
  const bool gradients = use == Use::training;
  const int64_t item = static_cast<int64_t>(size_of(dtype));
  storage_ =
      Buffer(memory, static_cast<size_t>((learned + running + (gradients ? learned : 0)) * item));
  memory.fill_zero(storage_.data(), storage_.bytes());  // the gaps between parameters stay zero

  // Learned values, running statistics, gradients.
  auto* start = static_cast<std::byte*>(storage_.data());
  values_ = Tensor(start, vector_shape(learned), dtype);
  std::byte* gradient_start = start + (learned + running) * item;
  if (gradients) gradients_ = Tensor(gradient_start, vector_shape(learned), dtype);
  int64_t next_learned = 0, next_running = learned;
  for (Parameter& p : parameters_) {
    int64_t& next = p.learned ? next_learned : next_running;
    p.value = Tensor(start + next * item, p.value.shape(), dtype);
    if (p.learned && gradients) {
      p.grad = Tensor(gradient_start + next * item, p.value.shape(), dtype);
    }
    next += aligned(p.value.elements());
  }
  const uint64_t version = new_family();
  for (Parameter& p : parameters_) p.version = version;
}

void ParameterSet::initialize(uint64_t seed) {
  for (Parameter& p : parameters_) {
    std::vector<double> numbers(static_cast<size_t>(p.value.elements()), p.initial.value);
    if (p.initial.kind == Initial::Kind::uniform) {
      Random random(seed, hash_of(p.name));
      for (double& x : numbers) x = (2 * random.uniform_f64() - 1) * p.initial.value;
    }
    from_host(*memory_, p.value, numbers.data());
  }
  values_changed();
}

void ParameterSet::set_needs_grad(bool needs_grad) {
  for (Parameter& p : parameters_) p.needs_grad = p.learned && needs_grad;
}

void ParameterSet::forget_gradients() {
  for (Parameter& p : parameters_) p.grad_written = false;
}

void ParameterSet::values_changed() {
  uint64_t newest = 0;  // of a family, which running statistics of their own version are not
  for (const Parameter& p : parameters_) newest = std::max(newest, p.version);
  const uint64_t version = next_in_family(newest);
  for (Parameter& p : parameters_) p.version = version;
}

}  // namespace gan
