#include "kernels/device.h"

#include <fstream>
#include <utility>

#include "engine/parallel.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/gpu_device.h"
#include "kernels/onednn/onednn_backend.h"
#include "kernels/reference/reference_backend.h"

namespace gan {
namespace {

// What the processor calls itself, where the system tells.
std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) != 0) continue;
    const size_t start = line.find_first_not_of(" :\t", line.find(':'));
    if (start != std::string::npos) return line.substr(start);
  }
  return "of unknown name";
}

// Own kernels come first: over a training step they are faster than oneDNN, and their results are the
// same bytes at any number of threads. oneDNN takes what they leave, which is every convolution on
// a processor without wide vectors; the reference takes the rest.
std::vector<std::unique_ptr<Backend>> cpu_backends(const std::string& wanted,
                                                   CpuProducts products) {
  std::vector<std::unique_ptr<Backend>> backends;
  if (wanted != "reference") {
    backends.push_back(make_cpu_backend(products));
    if (wanted != "cpu") {
      std::unique_ptr<Backend> onednn = make_onednn_backend();
      if (!onednn && wanted == "onednn") {
        throw DeviceError(
            "backend onednn is not in this build: install libdnnl-dev, configure and build again");
      }
      const auto place = wanted == "onednn" ? backends.begin() : backends.end();
      if (onednn) backends.insert(place, std::move(onednn));
    }
  }
  backends.push_back(make_reference_backend());
  return backends;
}

// What convolutions on the CPU multiply for this precision. `note`: why it is not a GPU.
CpuProducts cpu_products(const DeviceOptions& options, const std::string& note) {
  const auto fail = [&](const char* why, const char* advice) {
    throw DeviceError(str("precision ", name_of(options.precision), " ", why, note, ": ", advice));
  };
  if (options.precision == DevicePrecision::fp32) return CpuProducts::f32;
  if (options.precision == DevicePrecision::tf32) fail("needs a GPU", "use bf16 or fp32");
  if (!bf16_products_are_fast()) {
    fail("needs AVX512-BF16, which this processor, this build or GAN_INSTRUCTION_SET does not have",
         "leave out --precision");
  }
  if (options.backend != "auto" && options.backend != "cpu") {
    fail("is for the CPU's own kernels", "leave out --backend");
  }
  return CpuProducts::bf16;
}

}  // namespace

const std::vector<std::string>& device_names() {
  static const std::vector<std::string> names = {"auto", "cpu", "gpu"};
  return names;
}

const std::vector<std::string>& backend_names() {
  static const std::vector<std::string> names = {"auto",   "reference", "cpu",
                                                 "onednn", "cuda",      "cudnn"};
  return names;
}

Device open_device(const DeviceOptions& options) {
  if (options.threads > 0) set_threads(options.threads);
  const bool gpu_backend = options.backend == "cuda" || options.backend == "cudnn";
  if (options.device == "cpu" && gpu_backend) {
    throw DeviceError(str("backend ", options.backend, " runs on a GPU: leave out --device cpu"));
  }
  if (options.device == "gpu" && !gpu_backend && options.backend != "auto") {
    throw DeviceError(str("backend ", options.backend, " runs on the CPU: leave out --device gpu"));
  }
  if (options.device == "gpu" || gpu_backend) return open_gpu(options);

  std::string note;
  if (options.device == "auto" && options.backend == "auto" && gpu_built()) {
    try {
      return open_gpu(options);
    } catch (const DeviceError& error) {
      note = str(" (", error.what(), ")");
    }
  }
  Kernels kernels(cpu_backends(options.backend, cpu_products(options, note)));
  std::string description =
      str("CPU ", processor_name(), ", ", threads(), threads() == 1 ? " thread; " : " threads; ",
          kernels.description(), note);
  return {host_memory(), std::move(kernels), std::move(description), options.precision};
}

}  // namespace gan
