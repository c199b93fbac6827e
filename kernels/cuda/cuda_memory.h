// The GPU's memory, behind the engine's interface. In a build for the simulator it is the
// computer's own, guarded and NaN-filled.
#pragma once

#include "engine/memory.h"

struct CUstream_st;

namespace gan {

// Copies and fills are ordered after the work already given to `stream` (null: the default stream)
// and finished when the function returns.
class CudaMemory final : public Memory {
 public:
  explicit CudaMemory(CUstream_st* stream = nullptr) : stream_(stream) {}

  DeviceKind device() const override { return DeviceKind::gpu; }
  void* allocate(size_t bytes) override;
  void release(void* block) noexcept override;
  void fill_zero(void* block, size_t bytes) override;
  void copy_from_host(void* to, const void* from, size_t bytes) override;
  void copy_to_host(void* to, const void* from, size_t bytes) override;

 private:
  CUstream_st* stream_;
};

// The memory of the default stream, for the whole run of a program.
Memory& cuda_memory();

}  // namespace gan
