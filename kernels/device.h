// The device that a program runs on, as its user chose it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/memory.h"
#include "kernels/dispatch.h"

namespace gan {

struct DeviceOptions {
  std::string device = "auto";   // one of device_names()
  std::string backend = "auto";  // one of backend_names()
  int threads = 0;               // 0: all cores
};
const std::vector<std::string>& device_names();
const std::vector<std::string>& backend_names();

struct Device {
  Memory& memory;
  Kernels kernels;
  std::string description;  // "CPU AMD EPYC, 2 threads; oneDNN 2.6.3, ..."
};

// Throws DeviceError when the device or backend asked for is not to be had here, saying why.
Device open_device(const DeviceOptions& options);

}  // namespace gan
