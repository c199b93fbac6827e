// Stores past the cache. A store to a line that is not in the cache fetches it first and writes it
// back later; where a whole tensor is written that no cache holds until it is read, that is half
// again as much traffic as reading and writing it would be.
#pragma once

#include <algorithm>

#include "engine/tensor.h"
#include "kernels/cpu/vectors.h"

namespace gan::cpu {

constexpr int64_t kFewestStreamed = 2 * 1024 * 1024;  // numbers; 8 MB

// Whether all of `to`, which is written once, is too large to stay in the cache, and its pixels are
// whole cache lines, where a store of any vector may begin.
inline bool passes_cache(const Tensor& to) {
  constexpr int64_t kLine = 16;  // numbers
  return to.shape().elements() >= kFewestStreamed && to.shape().c % kLine == 0 &&
         to.pitch() % kLine == 0 &&
         reinterpret_cast<uintptr_t>(to.as<float>()) % (kLine * sizeof(float)) == 0;
}

#if defined(GAN_VECTORS)
// As store(), for what passes the cache: `to` is a multiple of the vector.
template <class Vector>
GAN_INLINE void stream(const Vector& from, float* to) {
#if defined(__clang__)
  __builtin_nontemporal_store(from, reinterpret_cast<Vector*>(to));
#elif defined(__x86_64__)
  // By name: the compiler's function depends on the instruction set that its caller is compiled for.
  if constexpr (sizeof(Vector) > 16) {
    asm volatile("vmovntps %1, %0" : "=m"(*reinterpret_cast<Vector*>(to)) : "v"(from));
  } else {
    asm volatile("movntps %1, %0" : "=m"(*reinterpret_cast<Vector*>(to)) : "x"(from));
  }
#else
  store(from, to);
#endif
}
#endif

// The same for `count` numbers, whole cache lines.
inline void stream_copy(const float* from, int64_t count, float* to) {
#if defined(GAN_VECTORS)
  Narrow::Vector numbers;
  constexpr int64_t kLanes = sizeof numbers / sizeof(float);
  for (int64_t i = 0; i < count; i += kLanes) {
    load(from + i, numbers);
    stream(numbers, to + i);
  }
#else
  std::copy_n(from, count, to);
#endif
}

// Before another thread reads what this one has streamed.
inline void end_streams() {
#if defined(__x86_64__)
  __builtin_ia32_sfence();
#endif
}

}  // namespace gan::cpu
