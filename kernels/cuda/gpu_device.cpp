#include "kernels/gpu_device.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/cuda_memory.h"
#include "kernels/cuda/dataflow_backend.h"
#include "kernels/cuda/host.h"
#include "kernels/cuda/tuner.h"
#include "kernels/cudnn/cudnn_backend.h"

namespace gan {
namespace {

constexpr int kOldestGeneration = 8;  // Ampere: bfloat16 on tensor cores, cp.async

// The process's GPU: found once, its stream kept until the end.
struct Gpu {
  gpu::Facts facts = gpu::use_device();
  gpu::Stream stream = gpu::make_stream();
  CudaMemory memory{stream};
  std::map<std::string, Tuner> tuners;  // by hardware
};

Gpu& the_gpu() {
  // Never given back: at the end of a process CUDA may be gone before a static variable is.
  static Gpu* const gpu = new Gpu;
  return *gpu;
}

}  // namespace

bool gpu_built() {
  return true;
}

Device open_gpu(const DeviceOptions& options) {
  Gpu* gpu = nullptr;
  try {
    gpu = &the_gpu();
  } catch (const gpu::Error& error) {
    throw DeviceError(str("no GPU can be used: ", error.what()));
  }
  const gpu::Facts& facts = gpu->facts;
  const std::string name = str("GPU 0 ", facts.name, " (sm_", facts.major, facts.minor, ")");
  if (facts.major < kOldestGeneration) {
    throw DeviceError(str(name, " is too old: the kernels need sm_80 (Ampere) or newer"));
  }
  gpu->memory.record_in(options.order);
  cuda::Dataflow& dataflow = gpu->memory.dataflow();
  const auto own = [&] {
    return in_order_of_data(
        make_cuda_backend(
            gpu->memory, gpu->stream,
            options.precision == DevicePrecision::tf32 ? CudaPrecision::tf32 : CudaPrecision::fp32,
            &dataflow),
        dataflow);
  };
  std::unique_ptr<Backend> cudnn;
  if (options.backend != "cuda") {
    try {
      cudnn =
          make_cudnn_backend(gpu->memory, gpu->stream, options.precision, facts.name, &dataflow);
      if (cudnn) cudnn = in_order_of_data(std::move(cudnn), dataflow);
    } catch (const DeviceError&) {  // with "auto" the own kernels do without it
      if (options.backend == "cudnn") throw;
    }
    if (!cudnn && options.backend == "cudnn") {
      throw DeviceError(
          "backend cudnn is not in this build: install cuDNN 9, or name its folder with "
          "-DGAN_CUDNN_ROOT, and build again");
    }
  }
  Kernels::Backends backends;
  Kernels::Chooser choose;
  Tuner* tuner = nullptr;
  if (options.backend == "auto") {
    const std::string hardware =
        str(facts.name, ", ", cudnn ? cudnn->description() : "without cuDNN", ", ",
            name_of(options.precision));
    tuner = &gpu->tuners
                 .try_emplace(hardware, gpu->memory,
                              Choices(hardware, Choices::default_file("tuning.txt")))
                 .first->second;
    choose = [tuner](const Call& call, const Kernels::Backends& among) {
      return tuner->choose(call, among);
    };
    backends.push_back(own());
    if (cudnn) backends.push_back(std::move(cudnn));
  } else {
    if (cudnn) backends.push_back(std::move(cudnn));
    backends.push_back(own());
  }
  Kernels kernels(std::move(backends), std::move(choose));
  const MemoryRoom room = gpu->memory.room();
  std::string description =
      str(name, ", ", human_bytes(room.free), " of ", human_bytes(room.total), " free; ",
          kernels.description(), ", ", name_of(options.precision),
          options.order == RecordedOrder::given ? "" : str(", order ", name_of(options.order)));
  Device device = {gpu->memory, std::move(kernels), std::move(description), options.precision};
  device.tuning_report = [tuner, &memory = gpu->memory] {
    return str(tuner ? tuner->report() : "", memory.order_report());
  };
  return device;
}

void profile_gpu(bool on) {
  gpu::profile(on);
}

}  // namespace gan
