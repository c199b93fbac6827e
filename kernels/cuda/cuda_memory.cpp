#include "kernels/cuda/cuda_memory.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "kernels/cuda/faster_recording.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/host.h"
#include "kernels/cuda/memory.h"

namespace gan {
namespace {

class PinnedReadback final : public Readback {
 public:
  PinnedReadback(gpu::Stream stream, size_t bytes) : stream_(stream), memory_(bytes) {}
  void start(const void* from, size_t bytes) override {
    require(bytes <= memory_.bytes(), "a readback of ", bytes, " bytes, made for ",
            memory_.bytes());
    gpu::copy_to_host_later(memory_, from, bytes, stream_);
    event_.record(stream_);
  }
  const void* wait() override {
    event_.wait();
    return memory_.data();
  }

 private:
  gpu::Stream stream_;
  gpu::Pinned memory_;
  gpu::Event event_;
};

class GraphRecording final : public Recording {
 public:
  GraphRecording(gpu::Stream stream, cuda::Dataflow::Recorded recorded)
      : stream_(stream), recorded_(std::move(recorded)) {
    recorded_.graph->make_ready();
  }
  void replay() override { recorded_.graph->launch(stream_); }
  size_t operations() const override { return recorded_.graph->nodes(); }

 private:
  gpu::Stream stream_;
  cuda::Dataflow::Recorded recorded_;
};

}  // namespace

// Pinned memory for what send() was given, until the device has copied it: used in turn, so that the
// host waits only when it is that many copies ahead. All of it is there from the start: a step allocates
// nothing.
class CudaMemory::Staging {
 public:
  Staging() {
    for (Slot& slot : slots_) slot.memory.emplace(kSmallest);
  }

  void send(void* to, const void* from, size_t bytes, gpu::Stream stream) {
    Slot& slot = slots_[next_++ % slots_.size()];
    if (slot.copied) slot.copied->wait();
    if (slot.memory->bytes() < bytes) slot.memory.emplace(bytes);
    if (!slot.copied) slot.copied.emplace();
    std::memcpy(slot.memory->data(), from, bytes);
    gpu::copy_to_device_later(to, *slot.memory, bytes, stream);
    slot.copied->record(stream);
  }

 private:
  static constexpr size_t kSmallest = 4096;
  struct Slot {
    std::optional<gpu::Pinned> memory;
    std::optional<gpu::Event> copied;  // what it held last
  };
  std::array<Slot, 64> slots_;
  size_t next_ = 0;
};

CudaMemory::CudaMemory(CUstream_st* stream)
    : stream_(stream), staging_(std::make_unique<Staging>()), dataflow_(*this, stream) {}
CudaMemory::~CudaMemory() = default;

void* CudaMemory::allocate(size_t bytes) {
  require(!recording_ || dataflow_.allocating(),
          "GPU memory is asked for while work is being recorded");
  try {
    return gpu::device_alloc(bytes);
  } catch (const std::exception& error) {
    std::string free;
    try {
      free = str(", of which ", human_bytes(room().free), " are left");
    } catch (const std::exception&) {  // the device has worse troubles: the first error says which
    }
    throw DeviceError(str("out of GPU memory: ", human_bytes(bytes), " wanted", free, " (",
                          error.what(), "): use a smaller --batch-size or --width, or close what ",
                          "else uses the GPU"));
  }
}

void CudaMemory::release(void* block) noexcept {
  gpu::device_free(block);
}

MemoryRoom CudaMemory::room() const {
  return gpu::memory_room();
}

void CudaMemory::fill_zero(void* block, size_t bytes) {
  require(!recording_, "GPU memory is filled while work is being recorded");
  const size_t words = bytes / sizeof(float), rest = bytes % sizeof(float);
  if (words > 0)
    cuda::fill(Tensor(block, vector_shape(static_cast<int64_t>(words)), DType::f32), 0, stream_);
  constexpr char kZeros[sizeof(float)] = {};
  if (rest > 0)
    gpu::copy_to_device(static_cast<char*>(block) + bytes - rest, kZeros, rest, stream_);
  gpu::synchronize(stream_);
}

void CudaMemory::copy_from_host(void* to, const void* from, size_t bytes) {
  require(!recording_, "a copy to the GPU while work is being recorded");
  gpu::copy_to_device(to, from, bytes, stream_);
  gpu::synchronize(stream_);
}

void CudaMemory::copy_to_host(void* to, const void* from, size_t bytes) {
  require(!recording_, "a copy from the GPU while work is being recorded");
  gpu::copy_to_host(to, from, bytes, stream_);
  gpu::synchronize(stream_);
}

void CudaMemory::send(void* to, const void* from, size_t bytes) {
  require(!recording_, "a copy to the GPU while work is being recorded");
  staging_->send(to, from, bytes, stream_);
}

std::unique_ptr<Readback> CudaMemory::make_readback(size_t bytes) {
  return std::make_unique<PinnedReadback>(stream_, bytes);
}

std::unique_ptr<Recording> CudaMemory::record(const std::function<void()>& work) {
  require(records(), "the default stream cannot be recorded");
  struct Scope {
    bool& flag;
    explicit Scope(bool& of) : flag(of) { flag = true; }
    ~Scope() { flag = false; }
  } const recording(recording_);
  if (order_ == RecordedOrder::fastest) return record_in_both(work);
  return order_ == RecordedOrder::data ? ready(dataflow_.record(work)) : record_as_given(work);
}

std::unique_ptr<Recording> CudaMemory::ready(cuda::Dataflow::Recorded recorded) {
  for (const auto& piece : recorded.working_memory)
    cuda::fill(Tensor(piece->data(), vector_shape(cuda::Scratch::kArrivals), DType::f32), 0,
               stream_);
  return std::make_unique<GraphRecording>(stream_, std::move(recorded));
}

std::unique_ptr<Recording> CudaMemory::record_as_given(const std::function<void()>& work) {
  return ready({{}, gpu::record(stream_, work)});
}

// Where there is no memory for another order, or a library's kernels refuse it, the given one is good
// enough.
std::unique_ptr<Recording> CudaMemory::record_in_both(const std::function<void()>& work) {
  std::unique_ptr<Recording> by_data;
  try {
    cuda::Dataflow::Recorded recorded = dataflow_.record(work);
    if (!recorded.chain) by_data = ready(std::move(recorded));
  } catch (const DeviceError& error) {
    order_report_[0] = str("recorded as given; by its data it cannot be: ", error.what(), "\n");
  }
  std::unique_ptr<Recording> given = record_as_given(work);
  if (!by_data) return given;
  return std::make_unique<FasterRecording>(
      std::move(given), std::move(by_data), stream_,
      [this](const OrderVerdict& v) { order_report_[v.operations] = text_of(v) + "\n"; });
}

std::string CudaMemory::order_report() {
  std::string text;
  for (const auto& [operations, line] : std::exchange(order_report_, {})) text += line;
  return text;
}

Memory& cuda_memory() {
  static CudaMemory memory;
  return memory;
}

}  // namespace gan
