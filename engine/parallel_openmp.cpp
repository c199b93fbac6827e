// parallel_for on OpenMP: shares its threads with oneDNN, so the two never compete for cores.
#include <omp.h>

#include <exception>

#include "engine/parallel.h"

namespace gan {

int threads() {
  return omp_get_max_threads();
}

void set_threads(int count) {
  static const int at_first = omp_get_max_threads();
  omp_set_num_threads(count > 0 ? count : at_first);
}

// OpenMP keeps the number for every thread by itself, so this is as good for one as for the first.
void limit_threads(int count) {
  omp_set_num_threads(count);
}

void parallel_for(int64_t count, const std::function<void(int64_t)>& body) {
  if (count == 1 || omp_in_parallel()) {
    for (int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads())
  for (int64_t i = 0; i < count; ++i) {
    try {
      body(i);
    } catch (...) {
#pragma omp critical
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace gan
