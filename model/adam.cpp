#include "model/adam.h"

namespace gan {

Adam::Adam(ParameterSet& parameters, const AdamSettings& settings)
    : parameters_(parameters),
      settings_(settings),
      moments_(parameters.memory(), 2 * parameters.values().bytes()),
      control_(parameters.memory(), sizeof(UpdateControl)),
      learning_rate_(settings.learning_rate) {
  parameters.memory().fill_zero(moments_.data(), moments_.bytes());
  const Tensor& values = parameters.values();
  auto* start = static_cast<std::byte*>(moments_.data());
  first_ = Tensor(start, values.shape(), values.dtype());
  second_ = Tensor(start + values.bytes(), values.shape(), values.dtype());
  const UpdateControl begin = {.learning_rate = learning_rate_};
  parameters.memory().copy_from_host(control_.data(), &begin, sizeof(begin));
}

void Adam::update(Kernels& kernels, const Tensor& numbers, const UpdateControl* after) {
  for (const Parameter& p : parameters_.all()) {
    require(!p.learned || p.grad_written, "no gradient has arrived for ", p.name);
  }
  const Tensor& values = parameters_.values();
  kernels({Op::control, numbers ? numbers.dtype() : DType::f32, values.shape(), values.shape(), {}})
      .begin_update(numbers, after, device_control());
  kernels(call_on(Op::adam, values, values))
      .adam(settings_, device_control(), values, parameters_.gradients(), first_, second_);
  parameters_.forget_gradients();
  parameters_.values_changed();
}

void Adam::set_learning_rate(double rate) {
  if (rate == learning_rate_) return;
  learning_rate_ = rate;
  parameters_.memory().send(&device_control()->learning_rate, &rate, sizeof(rate));
}

uint64_t Adam::steps() const {
  uint64_t steps = 0;
  parameters_.memory().copy_to_host(&steps, &device_control()->step, sizeof(steps));
  return steps;
}

void Adam::set_steps(uint64_t steps) {
  parameters_.memory().copy_from_host(&device_control()->step, &steps, sizeof(steps));
}

}  // namespace gan
