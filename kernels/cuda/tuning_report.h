// What choosing between backends has measured, for people.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kernels/backend.h"

namespace gan {

// How long one convolution took each backend that can do it, in its fastest variant.
struct Measured {
  Call call;
  std::vector<std::pair<std::string, double>> seconds;  // by the backend's name
  std::string chosen;
  std::string variant;  // of the chosen backend; empty: its automatic one
};

// A line for every layer, its three directions beside each other; then what the letters mean that
// stand for variants.
std::string tuning_table(const std::vector<Measured>& measured);

// "55 convolutions measured: 31 to cudnn, 24 to cuda".
std::string tuning_summary(const std::vector<Measured>& measured);

}  // namespace gan
