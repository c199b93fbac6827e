#include "kernels/cuda/cuda_memory.h"

#include "engine/error.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/memory.h"

namespace gan {

void* CudaMemory::allocate(size_t bytes) {
  try {
    return gpu::device_alloc(bytes);
  } catch (const std::exception& error) {
    throw DeviceError(str("no ", human_bytes(bytes), " of GPU memory left (", error.what(),
                          "): use a smaller batch, or close what else uses the GPU"));
  }
}

void CudaMemory::release(void* block) noexcept {
  gpu::device_free(block);
}

void CudaMemory::fill_zero(void* block, size_t bytes) {
  const size_t words = bytes / sizeof(float), rest = bytes % sizeof(float);
  if (words > 0)
    cuda::fill(Tensor(block, vector_shape(static_cast<int64_t>(words)), DType::f32), 0, stream_);
  constexpr char kZeros[sizeof(float)] = {};
  if (rest > 0)
    gpu::copy_to_device(static_cast<char*>(block) + bytes - rest, kZeros, rest, stream_);
  gpu::synchronize(stream_);
}

void CudaMemory::copy_from_host(void* to, const void* from, size_t bytes) {
  gpu::copy_to_device(to, from, bytes, stream_);
  gpu::synchronize(stream_);
}

void CudaMemory::copy_to_host(void* to, const void* from, size_t bytes) {
  gpu::copy_to_host(to, from, bytes, stream_);
  gpu::synchronize(stream_);
}

Memory& cuda_memory() {
  static CudaMemory memory;
  return memory;
}

}  // namespace gan
