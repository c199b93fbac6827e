#include "engine/version.h"
#include "kernels/cuda/dataflow.h"
#include "kernels/cuda/weights.h"

namespace gan::cuda {

void PackedWeights::pack(const std::vector<WeightJob>& jobs, DType dtype) {
  if (!dataflow_) return pack_weights(jobs, dtype, stream_);
  dataflow_->operation({}, {}, [&] {
    for (const WeightJob& job : jobs) {
      const auto count = static_cast<size_t>(job.count);
      dataflow_->reads({job.from, count * sizeof(float)});
      dataflow_->writes({job.to, count * size_of(dtype)});
    }
    pack_weights(jobs, dtype, stream_);
  });
}

void* PackedWeights::get(const Key& key, const Weights& w, size_t bytes,
                         const std::function<WeightJob(void* to)>& job) {
  Entry& wanted = entries_[key];
  if (wanted.memory.bytes() < bytes) wanted = {Buffer(memory_, bytes), 0, {}};
  void* const packed = wanted.memory.data();
  if (w.version == 0 || wanted.version != w.version) {
    wanted.job = job(packed);
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
    pack(jobs, dtype);
  }
  if (dataflow_) dataflow_->reads({packed, bytes});
  return packed;
}

}  // namespace gan::cuda
