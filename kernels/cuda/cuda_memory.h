// The GPU's memory, behind the engine's interface. In a build for the simulator it is the
// computer's own, guarded and NaN-filled.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "engine/memory.h"
#include "kernels/cuda/dataflow.h"
#include "kernels/device.h"

struct CUstream_st;

namespace gan {

// Copies and fills are ordered after the work already given to `stream` (null: the default stream)
// and finished when the function returns; send() and readbacks only ordered.
class CudaMemory final : public Memory {
 public:
  explicit CudaMemory(CUstream_st* stream = nullptr);
  ~CudaMemory() override;

  DeviceKind device() const override { return DeviceKind::gpu; }
  void* allocate(size_t bytes) override;
  void release(void* block) noexcept override;
  MemoryRoom room() const override;
  void fill_zero(void* block, size_t bytes) override;
  void copy_from_host(void* to, const void* from, size_t bytes) override;
  void copy_to_host(void* to, const void* from, size_t bytes) override;

  void send(void* to, const void* from, size_t bytes) override;
  std::unique_ptr<Readback> make_readback(size_t bytes) override;
  int steps_ahead() const override { return 4; }
  // The default stream cannot be recorded.
  bool records() const override { return stream_ != nullptr; }
  std::unique_ptr<Recording> record(const std::function<void()>& work) override;

  size_t most_recording_bytes() const override {
    return order_ == RecordedOrder::given ? 0 : cuda::Dataflow::kMostApart;
  }

  // The order of what is recorded from now on. Work in another order than the given one has to be given in
  // dataflow()'s operations (dataflow_backend.h).
  void record_in(RecordedOrder order) { order_ = order; }
  cuda::Dataflow& dataflow() { return dataflow_; }
  // What has been found out about orders since this was asked last: a line for each number of operations. Work that
  // is recorded anew has as many as before.
  std::string order_report();

 private:
  class Staging;
  std::unique_ptr<Recording> record_as_given(const std::function<void()>& work);
  std::unique_ptr<Recording> ready(cuda::Dataflow::Recorded recorded);
  std::unique_ptr<Recording> record_in_both(const std::function<void()>& work);

  CUstream_st* stream_;
  std::unique_ptr<Staging> staging_;
  cuda::Dataflow dataflow_;
  RecordedOrder order_ = RecordedOrder::given;
  bool recording_ = false;
  std::map<size_t, std::string> order_report_;  // lines, by operations; 0: of what failed
};

// The memory of the default stream, for the whole run of a program.
Memory& cuda_memory();

}  // namespace gan
