// kernels/cuda/host.h through the CUDA runtime.
#include "kernels/cuda/host.h"

#include <cuda_profiler_api.h>

#include <set>
#include <vector>

#include "kernels/cuda/cluster.h"
#include "kernels/cuda/wgmma.h"

namespace gan::gpu {
namespace {

// The smallest kernel: whether it can be launched tells whether this program has code for the GPU.
__global__ void probe_kernel(int* answer) {
  if (answer != nullptr) *answer = 1;
}

// Its bound tells, without running, which architecture this device's code was made for.
enum ProbeThreads : int { kOtherThreads = 32, kClusterThreads = 64, kWgmmaThreads = 128 };
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
constexpr int kProbeThreads = kWgmmaThreads;
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
constexpr int kProbeThreads = kClusterThreads;
#else
constexpr int kProbeThreads = kOtherThreads;
#endif
__global__ void __launch_bounds__(kProbeThreads) architecture_probe_kernel() {}

int probe_threads() {
  static const int threads = [] {
    cudaFuncAttributes attributes;
    check_cuda(cudaFuncGetAttributes(&attributes, architecture_probe_kernel),
               "asking for the code's architecture");
    return attributes.maxThreadsPerBlock;
  }();
  return threads;
}

// Edges may have data of their own, which CUDA 13 always wants to give, and 12 by other names. A library's
// kernels may have been linked so; edges that are made here are plain ones.
#if CUDART_VERSION >= 13000
constexpr auto graph_dependencies = cudaGraphNodeGetDependencies;
constexpr auto capture_info = cudaStreamGetCaptureInfo;
constexpr auto set_dependencies = cudaStreamUpdateCaptureDependencies;
#else
constexpr auto graph_dependencies = cudaGraphNodeGetDependencies_v2;
constexpr auto capture_info = cudaStreamGetCaptureInfo_v3;
constexpr auto set_dependencies = cudaStreamUpdateCaptureDependencies_v2;
#endif

// Of a graph of so many nodes.
std::vector<Node> nodes_before(Node node, size_t nodes_in_graph) {
  size_t count = nodes_in_graph;
  std::vector<Node> nodes(count);
  std::vector<cudaGraphEdgeData> edges(count);
  check_cuda(graph_dependencies(node, nodes.data(), edges.data(), &count),
             "asking what recorded work comes after");
  nodes.resize(count);
  return nodes;
}

class CudaGraph final : public Graph {
 public:
  explicit CudaGraph(cudaGraph_t graph) : graph_(graph) {
    check_cuda(cudaGraphGetNodes(graph, nullptr, &nodes_), "counting the recorded work");
  }
  ~CudaGraph() override {
    if (executable_) cudaGraphExecDestroy(executable_);
    cudaGraphDestroy(graph_);
  }
  void prefer(const std::vector<Node>& last, bool preferred) override {
    int least = 0, greatest = 0;
    check_cuda(cudaDeviceGetStreamPriorityRange(&least, &greatest), "asking for priorities");
    std::vector<Node> nodes = last;
    while (!nodes.empty()) {
      Node const node = nodes.back();
      nodes.pop_back();
      if (!spoken_of_.insert(node).second) continue;
      cudaGraphNodeType type = {};
      check_cuda(cudaGraphNodeGetType(node, &type), "asking for a node's type");
      if (type == cudaGraphNodeTypeKernel) {
        cudaLaunchAttributeValue value = {};
        value.priority = preferred ? greatest : least;
        // A wish: a library's kernel may be launched in a way that takes none.
        if (cudaGraphKernelNodeSetAttribute(node, cudaLaunchAttributePriority, &value) !=
            cudaSuccess)
          cudaGetLastError();
      }
      for (Node before : nodes_before(node, nodes_)) nodes.push_back(before);
    }
  }
  void make_ready() override {
    unsigned long long flags = 0;
    if (!spoken_of_.empty()) flags = cudaGraphInstantiateFlagUseNodePriority;
    check_cuda(cudaGraphInstantiate(&executable_, graph_, flags), "making the recorded work ready");
  }
  void launch(Stream stream) override {
    ++host_calls().replays;
    check_cuda(cudaGraphLaunch(executable_, stream), "repeating recorded work");
  }
  size_t nodes() const override { return nodes_; }

 private:
  cudaGraph_t graph_;
  cudaGraphExec_t executable_ = nullptr;
  size_t nodes_ = 0;
  std::set<Node> spoken_of_;
};

}  // namespace

bool has_wgmma() {
  return probe_threads() == kWgmmaThreads;
}

bool has_clusters() {
  return probe_threads() >= kClusterThreads;
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

struct Stopwatch::State {
  cudaEvent_t start = nullptr, stop = nullptr;
  ~State() {
    if (start) cudaEventDestroy(start);
    if (stop) cudaEventDestroy(stop);
  }
};

Stopwatch::Stopwatch() : state_(std::make_unique<State>()) {
  check_cuda(cudaEventCreate(&state_->start), "making an event");
  check_cuda(cudaEventCreate(&state_->stop), "making an event");
}
Stopwatch::~Stopwatch() = default;
void Stopwatch::start(Stream stream) {
  check_cuda(cudaEventRecord(state_->start, stream), "recording an event");
}
void Stopwatch::stop(Stream stream) {
  check_cuda(cudaEventRecord(state_->stop, stream), "recording an event");
}
std::optional<double> Stopwatch::seconds() {
  const cudaError_t status = cudaEventQuery(state_->stop);
  if (status == cudaErrorNotReady) {
    cudaGetLastError();  // that it is not ready is no error, but is remembered as one
    return std::nullopt;
  }
  check_cuda(status, "looking at the clock");
  float milliseconds = 0;
  check_cuda(cudaEventElapsedTime(&milliseconds, state_->start, state_->stop),
             "looking at the clock");
  return milliseconds / 1e3;
}

void copy_to_device_later(void* to, const Pinned& from, size_t bytes, Stream stream) {
  copy_to_device(to, from.data(), bytes, stream);
}
void copy_to_host_later(const Pinned& to, const void* from, size_t bytes, Stream stream) {
  copy_to_host(to.data(), from, bytes, stream);
}

std::unique_ptr<Graph> record(Stream stream, const std::function<void()>& work,
                              Allocations allocations) {
  const cudaStreamCaptureMode mode = allocations == Allocations::allowed
                                         ? cudaStreamCaptureModeRelaxed
                                         : cudaStreamCaptureModeThreadLocal;
  check_cuda(cudaStreamBeginCapture(stream, mode), "beginning to record");
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

std::vector<Node> record_position(Stream stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  const Node* nodes = nullptr;
  const cudaGraphEdgeData* edges = nullptr;
  size_t count = 0;
  check_cuda(capture_info(stream, &status, nullptr, nullptr, &nodes, &edges, &count),
             "asking what is recorded");
  if (status == cudaStreamCaptureStatusInvalidated)
    throw Error("a call that cannot be recorded has ended the recording");
  if (status != cudaStreamCaptureStatusActive) throw Error("the stream is not being recorded");
  return {nodes, nodes + count};
}

void record_after(Stream stream, const std::vector<Node>& nodes) {
  Node none = nullptr;
  auto* const first = nodes.empty() ? &none : const_cast<Node*>(nodes.data());  // only read
  check_cuda(
      set_dependencies(stream, first, nullptr, nodes.size(), cudaStreamSetCaptureDependencies),
      "ordering recorded work");
}

}  // namespace gan::gpu
