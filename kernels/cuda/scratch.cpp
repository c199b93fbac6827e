#include "kernels/cuda/scratch.h"

#include "kernels/cuda/dataflow.h"

namespace gan::cuda {

ScratchMemory::ScratchMemory(Memory& memory, Dataflow* dataflow)
    : memory_(memory), dataflow_(dataflow), arrivals_(memory, Scratch::kArrivalBytes) {
  memory.fill_zero(arrivals_.data(), arrivals_.bytes());
}

Scratch ScratchMemory::get(size_t bytes) {
  if (bytes == 0) return {};
  if (dataflow_ && dataflow_->recording()) return dataflow_->scratch(bytes);
  if (blocks_.empty() || blocks_.back().bytes() < bytes) blocks_.emplace_back(memory_, bytes);
  return {blocks_.back().data(), static_cast<unsigned*>(arrivals_.data())};
}

}  // namespace gan::cuda
