#include "tools/bench/bench.h"

#include <cmath>

namespace gan::bench {

const std::vector<std::pair<std::string, Level>>& levels() {
  static const std::vector<std::pair<std::string, Level>> all = {
      {"network", network_level}, {"step", step_level}, {"image", image_level}};
  return all;
}

int burst_of(const Device& device) {
  return device.memory.steps_ahead() > 0 ? 20 : 1;
}

double relative_error(const std::vector<float>& value, const std::vector<float>& expected) {
  require(value.size() == expected.size(), "comparing ", value.size(), " values with ",
          expected.size());
  double difference = 0, norm = 0;
  for (size_t i = 0; i < value.size(); ++i) {
    const double distance = double{value[i]} - double{expected[i]};
    difference += distance * distance;
    norm += double{expected[i]} * double{expected[i]};
  }
  return difference == 0 ? 0 : std::sqrt(difference / norm);
}

}  // namespace gan::bench
