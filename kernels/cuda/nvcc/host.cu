// kernels/cuda/host.h through the CUDA runtime.
#include "kernels/cuda/host.h"

#include <cuda_profiler_api.h>

#include <vector>

#include "kernels/cuda/wgmma.h"

namespace gan::gpu {
namespace {

// The smallest kernel: whether it can be launched tells whether this program has code for the GPU.
__global__ void probe_kernel(int* answer) {
  if (answer != nullptr) *answer = 1;
}

// Its bound tells, without running, whether this device's code is that of sm_90a.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
constexpr int kProbeThreads = 128;
#else
constexpr int kProbeThreads = 64;
#endif
constexpr int kWgmmaProbeThreads = 128;
__global__ void __launch_bounds__(kProbeThreads) wgmma_probe_kernel() {}

class CudaGraph final : public Graph {
 public:
  explicit CudaGraph(cudaGraph_t graph) {
    const cudaError_t counted = cudaGraphGetNodes(graph, nullptr, &nodes_);
    const cudaError_t made = cudaGraphInstantiateWithFlags(&executable_, graph, 0);
    cudaGraphDestroy(graph);
    check_cuda(counted, "counting the recorded work");
    check_cuda(made, "making the recorded work ready");
  }
  ~CudaGraph() override {
    if (executable_) cudaGraphExecDestroy(executable_);
  }
  void launch(Stream stream) override {
    ++host_calls().replays;
    check_cuda(cudaGraphLaunch(executable_, stream), "repeating recorded work");
  }
  size_t nodes() const override { return nodes_; }

 private:
  cudaGraphExec_t executable_ = nullptr;
  size_t nodes_ = 0;
};

}  // namespace

bool has_wgmma() {
  static const bool has = [] {
    cudaFuncAttributes attributes;
    check_cuda(cudaFuncGetAttributes(&attributes, wgmma_probe_kernel),
               "asking for the code's architecture");
    return attributes.maxThreadsPerBlock == kWgmmaProbeThreads;
  }();
  return has;
}

Facts use_device() {
  int count = 0;
  const cudaError_t found = cudaGetDeviceCount(&count);
  if (found == cudaErrorInsufficientDriver)
    throw Error("no CUDA driver, or one older than this program's toolkit");
  if (found == cudaErrorNoDevice || (found == cudaSuccess && count == 0))
    throw Error("no CUDA device");
  check_cuda(found, "looking for GPUs");
  check_cuda(cudaSetDevice(0), "choosing GPU 0");

  Facts facts;
  cudaDeviceProp properties;
  check_cuda(cudaGetDeviceProperties(&properties, 0), "asking GPU 0 what it is");
  facts.name = properties.name;
  facts.major = properties.major;
  facts.minor = properties.minor;
  facts.built_for = GAN_CUDA_ARCHITECTURES;

  cudaFuncAttributes attributes;
  const cudaError_t code = cudaFuncGetAttributes(&attributes, probe_kernel);
  if (code == cudaErrorNoKernelImageForDevice || code == cudaErrorInvalidDeviceFunction) {
    cudaGetLastError();  // forgets it
    throw Error(str("GPU 0 ", facts.name, " is sm_", facts.major, facts.minor,
                    ", but this program was built for ", facts.built_for));
  }
  check_cuda(code, "loading kernels");
  probe_kernel<<<1, 1>>>(nullptr);
  check_cuda(cudaGetLastError(), "trying a kernel");
  check_cuda(cudaDeviceSynchronize(), "trying a kernel");
  return facts;
}

MemoryRoom memory_room() {
  MemoryRoom room;
  check_cuda(cudaMemGetInfo(&room.free, &room.total), "asking for free memory");
  return room;
}

void profile(bool on) {
  check_cuda(on ? cudaProfilerStart() : cudaProfilerStop(), "telling the profiler");
}

Stream make_stream() {
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
  return stream;
}

Pinned::Pinned(size_t bytes) : data_(nullptr), bytes_(bytes) {
  ++host_calls().allocations;
  check_cuda(cudaHostAlloc(&data_, bytes, cudaHostAllocDefault), "allocating pinned memory");
}
Pinned::~Pinned() {
  cudaFreeHost(data_);
}

Event::Event() {
  check_cuda(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "making an event");
}
Event::~Event() {
  cudaEventDestroy(event_);
}
void Event::record(Stream stream) {
  check_cuda(cudaEventRecord(event_, stream), "recording an event");
}
void Event::wait() {
  const cudaError_t status = cudaEventQuery(event_);
  if (status == cudaSuccess) return;
  if (status != cudaErrorNotReady) check_cuda(status, "waiting for the device");
  cudaGetLastError();  // that it is not ready is no error, but is remembered as one
  ++host_calls().waits;
  check_cuda(cudaEventSynchronize(event_), "waiting for the device");
}

void copy_to_device_later(void* to, const Pinned& from, size_t bytes, Stream stream) {
  copy_to_device(to, from.data(), bytes, stream);
}
void copy_to_host_later(const Pinned& to, const void* from, size_t bytes, Stream stream) {
  copy_to_host(to.data(), from, bytes, stream);
}

std::unique_ptr<Graph> record(Stream stream, const std::function<void()>& work) {
  check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal),
             "beginning to record");
  cudaGraph_t graph = nullptr;
  try {
    work();
  } catch (...) {
    cudaStreamEndCapture(stream, &graph);
    if (graph) cudaGraphDestroy(graph);
    cudaGetLastError();  // the exception says what was wrong
    throw;
  }
  check_cuda(cudaStreamEndCapture(stream, &graph), "ending to record");
  return std::make_unique<CudaGraph>(graph);
}

}  // namespace gan::gpu
