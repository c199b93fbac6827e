// Weights in the order and type in which convolutions read them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <tuple>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"

namespace gan::cuda {

// One tensor to be packed, as the kernel sees it.
struct WeightJob {
  // The taps that meet one parity of the output of a data gradient: tap t of the group is tap
  // (first_h + t / taps_w * step, first_w + t % taps_w * step) of the weights.
  struct Group {
    int begin = 0;  // of the group's packed weights, in elements
    int8_t taps = 0, taps_w = 0, first_h = 0, first_w = 0;
  };
  static constexpr int kMostGroups = 4;

  const float* from = nullptr;
  void* to = nullptr;
  int64_t count = 0;  // of elements
  int rows = 0, columns = 0;
  int8_t kernel = 0, step = 0, groups = 0;
  Group group[kMostGroups];
};

// The same numbers in the same order, in another type.
WeightJob cast_job(const Tensor& w, void* to);

// Does all of them, whose results have the type `dtype`, in one launch for every 32.
void pack_weights(std::span<const WeightJob> jobs, DType dtype, gpu::Stream stream);

class Dataflow;

// What has been packed, kept until the weights' version changes. Then all weights of the same family
// (engine/version.h) are packed together: a network's take one launch instead of two for each layer.
class PackedWeights {
 public:
  // Weights by address, operation, element type, kernel, stride and paddings, rows and columns: what the
  // packed form depends on.
  using Key = std::tuple<const void*, Op, DType, int, int, int, int, int64_t, int64_t>;

  // `dataflow`: of the operations that weights are packed for; null: none.
  PackedWeights(Memory& memory, gpu::Stream stream, Dataflow* dataflow)
      : memory_(memory), stream_(stream), dataflow_(dataflow) {}

  // `bytes` of weights packed as `job` says, when given their place.
  void* get(const Key& key, const Weights& w, size_t bytes,
            const std::function<WeightJob(void* to)>& job);

 private:
  struct Entry {
    Buffer memory;
    uint64_t version = 0;
    WeightJob job;
  };
  void pack(const std::vector<WeightJob>& jobs, DType dtype);

  Memory& memory_;
  gpu::Stream stream_;
  Dataflow* dataflow_;
  std::map<Key, Entry> entries_;
};

}  // namespace gan::cuda
