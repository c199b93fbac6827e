// The device that a program runs on, as its user chose it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/memory.h"
#include "kernels/dispatch.h"

namespace gan {

// How numbers are kept and multiplied.
enum class DevicePrecision : uint8_t {
  fp32,  // float32, exact products
  tf32,  // float32, products on a GPU's tensor cores with factors rounded to 11 significant bits
  bf16,  // GPU: pictures in bfloat16, products on tensor cores, parameters and sums in float32;
         // CPU: float32, the factors of convolutions rounded to bfloat16
};
const char* name_of(DevicePrecision precision);

// The order in which a GPU repeats recorded work.
enum class RecordedOrder : uint8_t {
  given,    // one operation after another, as they were given
  data,     // each after those whose results it needs, side by side where the device has room
  fastest,  // one and the other in turn, until it is known which takes less time
};
const char* name_of(RecordedOrder order);

struct DeviceOptions {
  std::string device = "auto";   // one of device_names()
  std::string backend = "auto";  // one of backend_names()
  DevicePrecision precision = DevicePrecision::fp32;
  int threads = 0;  // 0: all cores
  RecordedOrder order = RecordedOrder::given;
};
const std::vector<std::string>& device_names();
const std::vector<std::string>& backend_names();

struct Device {
  Memory& memory;
  Kernels kernels;
  std::string description;  // "CPU AMD EPYC, 2 threads; oneDNN 2.6.3, ..."
  DevicePrecision precision = DevicePrecision::fp32;
  // What has been measured, since this was asked last, to choose between backends and orders: lines for people, the
  // first time with a table. Empty: nothing.
  std::function<std::string()> tuning_report = [] { return std::string(); };

  // In which photos, activations and their gradients are kept.
  DType pictures() const {
    const bool half = precision == DevicePrecision::bf16 && memory.device() == DeviceKind::gpu;
    return half ? DType::bf16 : DType::f32;
  }
};

// Throws DeviceError when the device, backend or precision asked for is not to be had here, saying
// why. "auto" is the GPU where there is one to be used; where a build that knows of GPUs finds none,
// the description says so.
Device open_device(const DeviceOptions& options);

}  // namespace gan
