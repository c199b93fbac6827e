// Vectors of the compiler's own kind, for loops that are written once for all instruction sets: a
// vector becomes one register of whatever the function is compiled for.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__GNUC__)
#define GAN_VECTORS 1

#if defined(__clang__)
#define GAN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define GAN_UNROLL _Pragma("GCC unroll 16")
#endif

#include "kernels/cpu/simd.h"

namespace gan::cpu {

// Structs, because template arguments lose a type's attributes.
struct Wide {
  typedef float Vector __attribute__((vector_size(64)));
};
struct Medium {
  typedef float Vector __attribute__((vector_size(32)));
};
struct Narrow {
  typedef float Vector __attribute__((vector_size(16)));
};

// From and to memory at any address. Through references: a vector as a result would depend on the
// instruction set that the caller is compiled for.
template <class Vector, class Lane>
GAN_INLINE void load(const Lane* from, Vector& to) {
  std::memcpy(&to, from, sizeof to);
}
template <class Vector>
GAN_INLINE void store(const Vector& from, float* to) {
  std::memcpy(to, &from, sizeof from);
}

}  // namespace gan::cpu

#endif
