// Work shared among the cores of the CPU.
#pragma once

#include <cstdint>
#include <functional>

namespace gan {

// How many threads parallel_for uses: all cores (or OMP_NUM_THREADS) until set, and when set to 0. Call
// set_threads before any work.
int threads();
void set_threads(int count);

// From now on loops that this thread begins use at most `count` threads: for threads that work side
// by side. (Without OpenMP any count above 1 means all.)
void limit_threads(int count);

// Runs body(i) for every i in [0, count), spread over the threads, and waits. Which thread takes
// which i is unspecified, so a body writes only what belongs to its own i; sums that must not
// depend on the thread count are made per i and added in order afterwards. An exception in a body
// is rethrown here once all are done.
void parallel_for(int64_t count, const std::function<void(int64_t)>& body);

// Cuts [0, size) into pieces of at most `piece` and runs body(begin, end) for each, in parallel.
// The cuts depend on `size` and `piece` only, never on the thread count.
void parallel_ranges(int64_t size, int64_t piece,
                     const std::function<void(int64_t begin, int64_t end)>& body);

}  // namespace gan
