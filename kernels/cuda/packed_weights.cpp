#include "engine/version.h"
#include "kernels/cuda/weights.h"

namespace gan::cuda {

void* PackedWeights::get(const Key& key, const Weights& w, size_t bytes,
                         const std::function<WeightJob(void* to)>& job) {
  Entry& wanted = entries_[key];
  if (wanted.memory.bytes() < bytes) wanted = {Buffer(memory_, bytes), 0, {}};
  if (w.version != 0 && wanted.version == w.version) return wanted.memory.data();

  wanted.job = job(wanted.memory.data());
  wanted.version = w.version;
  std::vector<WeightJob> jobs = {wanted.job};
  const DType dtype = std::get<DType>(key);
  if (family_of(w.version) != 0) {
    for (auto& [other, entry] : entries_) {
      if (std::get<DType>(other) != dtype || entry.version == w.version ||
          family_of(entry.version) != family_of(w.version)) {
        continue;
      }
      jobs.push_back(entry.job);
      entry.version = w.version;
    }
  }
  pack_weights(jobs, dtype, stream_);
  return wanted.memory.data();
}

}  // namespace gan::cuda
