#include "tools/bench/bench.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <sstream>

#include "kernels/onednn/stand_alone.h"

namespace gan::bench {

const std::vector<Level>& levels() {
  static const std::vector<Level> all = {{"op", op_rows, op_level},
                                         {"network", network_rows, network_level, true},
                                         {"step", step_rows, step_level, true},
                                         {"image", image_rows, image_level}};
  return all;
}

double Row::share_of_peak() const {
  if (timing.median <= 0 || peaks.flop <= 0 || (flop <= 0 && bytes <= 0)) return 0;
  return least_seconds(peaks, flop, bytes) / timing.median;
}

bool Session::wants(const std::string& name) const {
  std::istringstream words(options.filter);
  for (std::string word; words >> word;) {
    if (name.find(word) == std::string::npos) return false;
  }
  return true;
}

const Results& Session::reference(const std::string& name,
                                  const std::function<Results(Device&)>& compute) {
  const auto known = references.find(name);
  if (known != references.end()) return known->second;
  Device device = open_device({.device = "cpu", .backend = "reference"});
  return references.emplace(name, compute(device)).first->second;
}

Results checked(Device& device, const std::function<Results(Device&)>& compute) {
  Results results;
  device.kernels.by_preference([&] { results = compute(device); });
  return results;
}

int burst_of(const Device& device) {
  return device.memory.steps_ahead() > 0 ? 20 : 1;
}

cases::Precision case_precision(const Device& device) {
  switch (device.precision) {
    case DevicePrecision::tf32:
      return cases::Precision::tf32;
    case DevicePrecision::bf16:
      return device.pictures() == DType::bf16 ? cases::Precision::bf16
                                              : cases::Precision::bf16_products;
    case DevicePrecision::fp32:
      break;
  }
  return cases::Precision::f32;
}

Timing time_call(Device& device, Backend& backend, const cases::OpCase& op_case,
                 cases::Precision precision, double seconds, double estimate) {
  constexpr int64_t kCaches = 64 << 20, kMostCopies = 16;
  const int64_t copies =
      std::clamp<int64_t>(kCaches / cases::least_bytes(op_case, precision), 1, kMostCopies);
  struct Copy {
    std::unique_ptr<cases::OpTensors> tensors;
    uint64_t version;  // of the weights, which are the same in every run
  };
  std::vector<Copy> all;
  for (int64_t i = 0; i < copies; ++i) {
    all.push_back(
        {std::make_unique<cases::OpTensors>(device.memory, op_case, precision), next_version()});
    all.back().tensors->fill_quickly(device.kernels);
  }
  size_t next = 0;
  const auto give = [&] {
    const Copy& copy = all[next++ % all.size()];
    copy.tensors->run(backend, Write::overwrite, copy.version);
  };
  const Tensor some = (*all[0].tensors)[all[0].tensors->fields()[0].name];
  const auto wait = [&] {
    std::byte first;
    device.memory.copy_to_host(&first, some.data(), 1);
  };
  for (size_t i = 0; i < all.size(); ++i) give();  // weights are packed now, all memory is there
  return measure_repeated(device.memory, seconds, estimate, give, wait);
}

double time_free_layout(const Device& device, const Call& call, double seconds, double estimate) {
  if (device.memory.device() != DeviceKind::cpu) return 0;
  if (call.op > Op::conv_transpose_backward_weights) return 0;
  const auto work = onednn_stand_alone(call, device.precision == DevicePrecision::bf16);
  return work ? measure(seconds, burst_for(estimate), work, [] {}).median : 0;
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
