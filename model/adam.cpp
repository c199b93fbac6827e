#include "model/adam.h"

namespace gan {

Adam::Adam(ParameterSet& parameters, const AdamSettings& settings)
    : parameters_(parameters),
      settings_(settings),
      moments_(parameters.memory(), 2 * parameters.values().bytes()),
      device_step_(parameters.memory(), sizeof(uint64_t)) {
  parameters.memory().fill_zero(moments_.data(), moments_.bytes());
  const Tensor& values = parameters.values();
  auto* start = static_cast<std::byte*>(moments_.data());
  first_ = Tensor(start, values.shape(), values.dtype());
  second_ = Tensor(start + values.bytes(), values.shape(), values.dtype());
}

void Adam::update(Kernels& kernels) {
  for (const Parameter& p : parameters_.all()) {
    require(!p.learned || p.grad_written, "no gradient has arrived for ", p.name);
  }
  ++step_;
  parameters_.memory().copy_from_host(device_step_.data(), &step_, sizeof(step_));
  const Tensor& values = parameters_.values();
  kernels({Op::adam, values.dtype(), values.shape(), values.shape(), {}})
      .adam(settings_, static_cast<const uint64_t*>(device_step_.data()), values,
            parameters_.gradients(), first_, second_);
  parameters_.forget_gradients();
  parameters_.values_changed();
}

}  // namespace gan
