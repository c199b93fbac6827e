// What tests of training recipes share: photos to train on, and a check of whole networks' gradients.
#pragma once

#include <cmath>
#include <functional>
#include <vector>

#include "engine/arena.h"
#include "engine/random.h"
#include "model/parameters.h"

namespace gan {

// Synthetic training photos: each a smooth pattern of its own two colours, with its gray copy.
struct TrainingPhotos {
  TrainingPhotos(Memory& memory, int64_t count, DType dtype = DType::f32, int size = 128,
                 uint64_t seed = 7)
      : arena(memory),
        gray(arena.allocate({count, size, size, 3}, dtype)),
        color(arena.allocate({count, size, size, 3}, dtype)) {
    Random random(seed);
    std::vector<double> gray_values, color_values;
    for (int64_t photo = 0; photo < count; ++photo) {
      double colors[2][3];
      for (auto& rgb : colors)
        for (double& channel : rgb) channel = random.uniform_f64();
      const double across = 2 + 3 * random.uniform_f64(), down = 2 + 3 * random.uniform_f64();
      for (int h = 0; h < size; ++h)
        for (int w = 0; w < size; ++w) {
          const double share = 0.5 + 0.5 * std::sin(across * w / size) * std::cos(down * h / size);
          double rgb[3];
          for (int c = 0; c < 3; ++c) rgb[c] = share * colors[0][c] + (1 - share) * colors[1][c];
          const double luma = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
          color_values.insert(color_values.end(), rgb, rgb + 3);
          gray_values.insert(gray_values.end(), 3, luma);
        }
    }
    from_host(memory, gray, gray_values.data());
    from_host(memory, color, color_values.data());
  }

  Arena arena;
  Tensor gray, color;
};

// Whether the tape's gradients predict how `loss` changes when the learned values move a little:
// the relative error of the directional derivative against a central difference.
inline double directional_error(ParameterSet& parameters, uint64_t seed,
                                const std::function<double()>& loss) {
  Memory& memory = parameters.memory();
  loss();
  const std::vector<double> start = to_host_f64(memory, parameters.values());
  const std::vector<double> gradient = to_host_f64(memory, parameters.gradients());

  // A direction in which every tensor matters alike: half along its gradient, unevenly weighted, so
  // that the derivative is large; half random, so that a gradient wrongly zero counts.
  std::vector<double> direction;
  Random random(seed);
  for (const Parameter& p : parameters.all()) {
    if (!p.learned) continue;
    direction.resize((direction.size() + 63) / 64 * 64);  // where the flat tensor's next one begins
    const size_t begin = direction.size(), size = static_cast<size_t>(p.value.elements());
    double norm = 0;
    for (size_t i = begin; i < begin + size; ++i) norm += gradient[i] * gradient[i];
    for (size_t i = begin; i < begin + size; ++i) {
      direction.push_back((0.5 + random.uniform_f64()) * gradient[i] / std::sqrt(norm) +
                          random.normal() / std::sqrt(static_cast<double>(size)));
    }
  }
  direction.resize(start.size());

  double predicted = 0;
  for (size_t i = 0; i < start.size(); ++i) predicted += gradient[i] * direction[i];
  // Small enough that no unit of these cases crosses the kink of its ReLU (at 1e-7 some do), large
  // enough for the digits of float64.
  constexpr double kStep = 1e-8;
  const auto loss_at = [&](double distance) {
    std::vector<double> moved = start;
    for (size_t i = 0; i < moved.size(); ++i) moved[i] += distance * direction[i];
    from_host(memory, parameters.values(), moved.data());
    parameters.values_changed();
    return loss();
  };
  const double measured = (loss_at(kStep) - loss_at(-kStep)) / (2 * kStep);
  loss_at(0);
  return std::abs(measured - predicted) / std::abs(predicted);
}

}  // namespace gan
