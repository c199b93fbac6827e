#include "tools/bench/sweep.h"

#include <algorithm>

#include "engine/parallel.h"

namespace gan::bench {
namespace {

constexpr int kBatches[] = {1, 2, 4, 8, 16, 32};
constexpr int kSizes[] = {64, 128, 192, 256, 384};
constexpr int kSizeBatch = 4;  // photos of the largest size, side by side

// 1, 2, 4 and so on, and all.
std::vector<int> thread_counts() {
  const int all = threads();
  std::vector<int> counts;
  for (int count = 1; count < all; count *= 2) counts.push_back(count);
  counts.push_back(all);
  return counts;
}

}  // namespace

void sweep(const Level& level, Session& session) {
  const Options asked = session.options;
  const bool steps = std::string("step") == level.name;
  session.options.convolutions = false;
  if (steps && asked.filter.empty()) session.options.filter = "classic";
  const Options base = session.options;
  for (const int batch : kBatches) {
    session.options.batch_size = batch;
    level.run(session);
  }
  session.options = base;
  if (!steps) {
    session.options.batch_size = kSizeBatch;
    for (const int size : kSizes) {
      session.options.size = size;
      level.run(session);
    }
    session.options = base;
  }
  const int all = threads();
  for (const int count : thread_counts()) {
    set_threads(count);
    for (Subject& subject : session.subjects) subject.peaks = measure_peaks(subject.device);
    level.run(session);
  }
  set_threads(all);
  session.options = asked;
}

}  // namespace gan::bench
