// What tests of networks share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/random.h"
#include "kernels/device.h"
#include "model/generator.h"

namespace gan {

inline std::unique_ptr<Generator> ready(const std::string& model, int width, uint64_t seed,
                                        Use use = Use::inference) {
  auto generator = make_generator(model, width);
  generator->parameters().allocate(host_memory(), DType::f32, use);
  generator->parameters().initialize(seed);
  return generator;
}

// Running statistics and batch-norm parameters that are not those of a fresh network.
inline void disturb_norms(ParameterSet& parameters, uint64_t seed) {
  Random random(seed);
  for (Parameter& p : parameters.all()) {
    if (p.name.find(".bn.") == std::string::npos) continue;
    std::vector<float> values = to_host(parameters.memory(), p.value);
    for (float& x : values) x += 0.5f * random.uniform();
    from_host(parameters.memory(), p.value, values.data());
  }
  parameters.values_changed();
}

inline std::vector<float> random_values(int64_t count, uint64_t seed) {
  Random random(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& x : values) x = random.uniform();
  return values;
}

inline std::vector<float> infer(Device& device, Generator& generator, int64_t size) {
  Tape tape(device.memory);
  const Tensor gray = tape.allocate({1, size, size, 3}, DType::f32);
  from_host(device.memory, gray, random_values(gray.elements(), 3).data());
  Context context{device.kernels, tape, false};
  return to_host(device.memory, generator.forward(context, tape.constant(gray)).value);
}

// Compared as a whole: a failed == between vectors would print every number.
inline bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a == b;
}

}  // namespace gan
