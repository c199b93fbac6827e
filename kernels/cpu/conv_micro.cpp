// Tiles of sums held in registers. A vector of the compiler's own kind becomes one register of
// whatever the function is compiled for, so one template serves all instruction sets.
//
// A gather holds 6 pixels x 64 channels (AVX-512), an outer product 4 x 64: each vector loaded is
// used 6 or 4 times, each broadcast number 4 times, and enough sums run side by side to hide the
// latency of the multiply-add.
#include "kernels/cpu/conv_micro.h"

#include "kernels/cpu/simd.h"

#if defined(__GNUC__)

#if defined(__clang__)
#define GAN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define GAN_UNROLL _Pragma("GCC unroll 16")
#endif

namespace gan::cpu {
namespace {

// Unaligned vectors. Structs, because template arguments and auto lose the alignment.
struct Wide {
  typedef float Vector __attribute__((vector_size(64), aligned(4), may_alias));
};
struct Medium {
  typedef float Vector __attribute__((vector_size(32), aligned(4), may_alias));
};
struct Narrow {
  typedef float Vector __attribute__((vector_size(16), aligned(4), may_alias));
};

template <class V>
GAN_INLINE typename V::Vector& vector_at(float* p) {
  return *reinterpret_cast<typename V::Vector*>(p);
}
template <class V>
GAN_INLINE const typename V::Vector& vector_at(const float* p) {
  return *reinterpret_cast<const typename V::Vector*>(p);
}

// Columns [first, first + vectors) of the tile.
template <class V, int vectors>
GAN_INLINE void gather_columns(const Gather& g, int64_t first) {
  using Vector = typename V::Vector;
  constexpr int kPixels = kGatherPixels, kLanes = sizeof(Vector) / sizeof(float);
  Vector sum[kPixels][vectors];
  GAN_UNROLL
  for (int i = 0; i < kPixels; ++i) {
    GAN_UNROLL
    for (int v = 0; v < vectors; ++v) {
      if (g.accumulate) {
        sum[i][v] = vector_at<V>(g.out[i] + first + v * kLanes);
      } else {
        sum[i][v] = Vector{};
      }
    }
  }
  const float* panel = g.panel + first;
  const int64_t width = g.width;
  for (int s = 0; s < g.segments; ++s) {
    const int64_t offset = g.segment[s].offset, length = g.segment[s].length;
    const float* in[kPixels];
    GAN_UNROLL
    for (int i = 0; i < kPixels; ++i) in[i] = g.in[i] + offset;
    for (int64_t j = 0; j < length; ++j, panel += width) {
      Vector row[vectors];
      GAN_UNROLL
      for (int v = 0; v < vectors; ++v) row[v] = vector_at<V>(panel + v * kLanes);
      GAN_UNROLL
      for (int i = 0; i < kPixels; ++i) {
        GAN_UNROLL
        for (int v = 0; v < vectors; ++v) sum[i][v] += in[i][j] * row[v];
      }
    }
  }
  GAN_UNROLL
  for (int i = 0; i < kPixels; ++i) {
    GAN_UNROLL
    for (int v = 0; v < vectors; ++v) vector_at<V>(g.out[i] + first + v * kLanes) = sum[i][v];
  }
}

template <class V, int vectors>
GAN_INLINE void outer_columns(const Outer& o, int64_t first) {
  using Vector = typename V::Vector;
  constexpr int kRows = kOuterRows, kLanes = sizeof(Vector) / sizeof(float);
  Vector sum[kRows][vectors];
  GAN_UNROLL
  for (int i = 0; i < kRows; ++i) {
    GAN_UNROLL
    for (int v = 0; v < vectors; ++v)
      sum[i][v] = vector_at<V>(o.sums + i * kTile + first + v * kLanes);
  }
  const float* left = o.left;
  const int64_t cols = o.cols, step = o.right_step, left_step = o.left_step;
  for (int64_t r = 0; r < o.rows; ++r) {
    const float* right = o.right + r * o.right_row + first;
    for (int64_t c = 0; c < cols; ++c, left += left_step, right += step) {
      Vector row[vectors];
      GAN_UNROLL
      for (int v = 0; v < vectors; ++v) row[v] = vector_at<V>(right + v * kLanes);
      GAN_UNROLL
      for (int i = 0; i < kRows; ++i) {
        GAN_UNROLL
        for (int v = 0; v < vectors; ++v) sum[i][v] += left[i] * row[v];
      }
    }
  }
  GAN_UNROLL
  for (int i = 0; i < kRows; ++i) {
    GAN_UNROLL
    for (int v = 0; v < vectors; ++v)
      vector_at<V>(o.sums + i * kTile + first + v * kLanes) = sum[i][v];
  }
}

// Instruction sets with 16 registers, or with vectors narrower than a tile: a tile in several goes.
template <class V, int vectors>
GAN_INLINE void gather_in_goes(const Gather& g) {
  constexpr int64_t kGo = vectors * sizeof(typename V::Vector) / sizeof(float);
  static_assert(kVector % kGo == 0);
  for (int64_t first = 0; first < g.width; first += kGo) gather_columns<V, vectors>(g, first);
}
template <class V, int vectors>
GAN_INLINE void outer_in_goes(const Outer& o) {
  constexpr int64_t kGo = vectors * sizeof(typename V::Vector) / sizeof(float);
  static_assert(kVector % kGo == 0);
  for (int64_t first = 0; first < o.width; first += kGo) outer_columns<V, vectors>(o, first);
}

#if defined(__aarch64__)
constexpr int kNarrowVectors = 4;  // 32 registers
#else
constexpr int kNarrowVectors = 2;
#endif

void gather_baseline(const Gather& g) {
  gather_in_goes<Narrow, kNarrowVectors>(g);
}
void outer_baseline(const Outer& o) {
  outer_in_goes<Narrow, kNarrowVectors>(o);
}
constexpr ConvMicro kBaseline = {gather_baseline, outer_baseline};

#if defined(__x86_64__)

__attribute__((target("avx2,fma"))) void gather_avx2(const Gather& g) {
  gather_in_goes<Medium, 2>(g);
}
__attribute__((target("avx2,fma"))) void outer_avx2(const Outer& o) {
  outer_in_goes<Medium, 2>(o);
}
constexpr ConvMicro kAvx2 = {gather_avx2, outer_avx2};

__attribute__((target("avx512f"))) void gather_avx512(const Gather& g) {
  switch (g.width / kVector) {
    case 1:
      return gather_columns<Wide, 1>(g, 0);
    case 2:
      return gather_columns<Wide, 2>(g, 0);
    case 3:
      return gather_columns<Wide, 3>(g, 0);
    default:
      return gather_columns<Wide, 4>(g, 0);
  }
}
__attribute__((target("avx512f"))) void outer_avx512(const Outer& o) {
  switch (o.width / kVector) {
    case 1:
      return outer_columns<Wide, 1>(o, 0);
    case 2:
      return outer_columns<Wide, 2>(o, 0);
    case 3:
      return outer_columns<Wide, 3>(o, 0);
    default:
      return outer_columns<Wide, 4>(o, 0);
  }
}
constexpr ConvMicro kAvx512 = {gather_avx512, outer_avx512};

#endif

}  // namespace

const ConvMicro* conv_micro() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return &kAvx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &kAvx2;
#endif
  return &kBaseline;
}

}  // namespace gan::cpu

#else

namespace gan::cpu {
const ConvMicro* conv_micro() {
  return nullptr;
}
}  // namespace gan::cpu

#endif
