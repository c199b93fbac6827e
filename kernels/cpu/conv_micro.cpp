// Tiles of sums held in registers. One template serves all instruction sets (vectors.h), and both
// kinds of lanes: only the innermost multiply-add differs.
//
// A gather holds 6 pixels x 64 channels (AVX-512), an outer product 4 x 64: each vector loaded is
// used 6 or 4 times, each broadcast number 4 times, and enough sums run side by side to hide the
// latency of the multiply-add.
#include "kernels/cpu/conv_micro.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/instruction_set.h"
#include "kernels/cpu/vectors.h"

#if defined(GAN_VECTORS)

namespace gan::cpu {
namespace {

// sum += lane * row for single numbers.
template <class V>
struct Single {
  using Lane = float;
  using Vector = typename V::Vector;
  static GAN_INLINE void multiply_add(Vector& sum, const float* lane, const Vector& row) {
    sum += *lane * row;
  }
};

// The same for pairs, on any processor: a bfloat16 is the upper half of a float.
template <class V>
struct PairsAnywhere {
  using Lane = Pair;
  using Vector = typename V::Vector;
  typedef uint32_t Bits __attribute__((vector_size(sizeof(Vector))));
  static GAN_INLINE void multiply_add(Vector& sum, const Pair* lane, const Vector& row) {
    const Bits bits = (Bits)row;
    sum += static_cast<float>(lane->first) * (Vector)(bits << 16);
    sum += static_cast<float>(lane->second) * (Vector)(bits & 0xffff0000u);
  }
};

// Columns [first, first + vectors) of the tile.
template <class Product, int vectors>
GAN_INLINE void gather_columns(const Gather<typename Product::Lane>& g, int64_t first) {
  using Lane = typename Product::Lane;
  using Vector = typename Product::Vector;
  constexpr int kPixels = kGatherPixels, kLanes = sizeof(Vector) / sizeof(float);
  Vector sum[kPixels][vectors];
  GAN_UNROLL
  for (int i = 0; i < kPixels; ++i) {
    GAN_UNROLL
    for (int v = 0; v < vectors; ++v) {
      if (g.accumulate) {
        load(g.out[i] + first + v * kLanes, sum[i][v]);
      } else {
        sum[i][v] = Vector{};
      }
    }
  }
  const Lane* panel = g.panel + first;
  const int64_t width = g.width;
  for (int s = 0; s < g.segments; ++s) {
    const int64_t offset = g.segment[s].offset, length = g.segment[s].length;
    const Lane* in[kPixels];
    GAN_UNROLL
    for (int i = 0; i < kPixels; ++i) in[i] = g.in[i] + offset;
    for (int64_t j = 0; j < length; ++j, panel += width) {
      Vector row[vectors];
      GAN_UNROLL
      for (int v = 0; v < vectors; ++v) load(panel + v * kLanes, row[v]);
      GAN_UNROLL
      for (int i = 0; i < kPixels; ++i) {
        GAN_UNROLL
        for (int v = 0; v < vectors; ++v) Product::multiply_add(sum[i][v], in[i] + j, row[v]);
      }
    }
  }
  GAN_UNROLL
  for (int i = 0; i < kPixels; ++i) {
    GAN_UNROLL
    for (int v = 0; v < vectors; ++v) store(sum[i][v], g.out[i] + first + v * kLanes);
  }
}

// The same for rows that are equally far apart: no pointers to be fetched for every six.
template <class Product, int vectors>
GAN_INLINE void multiply_columns(const MatrixProduct<typename Product::Lane>& m, int64_t first) {
  using Lane = typename Product::Lane;
  using Vector = typename Product::Vector;
  constexpr int kPixels = kGatherPixels, kLanes = sizeof(Vector) / sizeof(float);
  // Copies, which stores cannot change.
  const int64_t rows = m.rows, length = m.length, width = m.width;
  const int64_t in_step = m.in_step, out_step = m.out_step;
  const Lane* in = m.in;
  float* out = m.out + first;
  const int64_t ahead = m.next_panel - m.panel;
  FetchAhead* const turns = m.ahead;
  for (int64_t done = 0; done < rows; done += kPixels) {
    Vector sum[kPixels][vectors] = {};
    const Lane* panel = m.panel + first;
    // Two pointers, each with multiples of the step that an address can hold.
    const Lane *upper = in, *lower = in + kPixels / 2 * in_step;
    for (int64_t done_steps = 0; done_steps < length; done_steps += kTurnSteps) {
      if (turns) turns->turn();
      const int64_t steps = std::min(kTurnSteps, length - done_steps);
      for (int64_t j = 0; j < steps; ++j, panel += width, ++upper, ++lower) {
        Vector row[vectors];
        GAN_UNROLL
        for (int v = 0; v < vectors; ++v) {
          load(panel + v * kLanes, row[v]);
          __builtin_prefetch(panel + ahead + v * kLanes, 0, 2);
        }
        GAN_UNROLL
        for (int i = 0; i < kPixels; ++i) {
          const Lane* lane =
              i < kPixels / 2 ? upper + i * in_step : lower + (i - kPixels / 2) * in_step;
          GAN_UNROLL
          for (int v = 0; v < vectors; ++v) Product::multiply_add(sum[i][v], lane, row[v]);
        }
      }
    }
    GAN_UNROLL
    for (int i = 0; i < kPixels; ++i, out += out_step) {
      GAN_UNROLL
      for (int v = 0; v < vectors; ++v) store(sum[i][v], out + v * kLanes);
    }
    in += kPixels * in_step;
  }
}

template <class Product, int vectors>
GAN_INLINE void outer_columns(const Outer<typename Product::Lane>& o, int64_t first) {
  using Lane = typename Product::Lane;
  using Vector = typename Product::Vector;
  constexpr int kRows = kOuterRows, kLanes = sizeof(Vector) / sizeof(float);
  Vector sum[kRows][vectors];
  GAN_UNROLL
  for (int i = 0; i < kRows; ++i) {
    GAN_UNROLL
    for (int v = 0; v < vectors; ++v) {
      const float* from = o.sums + i * kTile + first + v * kLanes;
      if (o.accumulate) {
        load(from, sum[i][v]);
      } else {
        sum[i][v] = Vector{};
      }
      __builtin_prefetch(from + kRows * kTile, 1);  // the next product's
    }
  }
  const Lane* left = o.left;
  const int64_t cols = o.cols, step = o.right_step, left_step = o.left_step;
  for (int64_t r = 0; r < o.rows; ++r) {
    const Lane* right = o.right + r * o.right_row + first;
    for (int64_t c = 0; c < cols; ++c, left += left_step, right += step) {
      Vector row[vectors];
      GAN_UNROLL
      for (int v = 0; v < vectors; ++v) load(right + v * kLanes, row[v]);
      GAN_UNROLL
      for (int i = 0; i < kRows; ++i) {
        GAN_UNROLL
        for (int v = 0; v < vectors; ++v) Product::multiply_add(sum[i][v], left + i, row[v]);
      }
    }
  }
  GAN_UNROLL
  for (int i = 0; i < kRows; ++i) {
    GAN_UNROLL
    for (int v = 0; v < vectors; ++v) store(sum[i][v], o.sums + i * kTile + first + v * kLanes);
  }
}

// Instruction sets with 16 registers, or with vectors narrower than a tile: a tile in several goes.
template <class Product, int vectors>
GAN_INLINE void gather_in_goes(const Gather<typename Product::Lane>& g) {
  constexpr int64_t kGo = vectors * sizeof(typename Product::Vector) / sizeof(float);
  static_assert(kVector % kGo == 0);
  for (int64_t first = 0; first < g.width; first += kGo) gather_columns<Product, vectors>(g, first);
}
template <class Product, int vectors>
GAN_INLINE void multiply_in_goes(const MatrixProduct<typename Product::Lane>& m) {
  constexpr int64_t kGo = vectors * sizeof(typename Product::Vector) / sizeof(float);
  static_assert(kVector % kGo == 0);
  MatrixProduct<typename Product::Lane> go = m;
  for (int64_t first = 0; first < m.width; first += kGo) {
    multiply_columns<Product, vectors>(go, first);
    go.ahead = nullptr;  // has had its turns
  }
}
template <class Product, int vectors>
GAN_INLINE void outer_in_goes(const Outer<typename Product::Lane>& o) {
  constexpr int64_t kGo = vectors * sizeof(typename Product::Vector) / sizeof(float);
  static_assert(kVector % kGo == 0);
  for (int64_t first = 0; first < o.width; first += kGo) outer_columns<Product, vectors>(o, first);
}

// Instruction sets with 32 registers: a whole tile at once. body.operator()<vectors of the tile>().
template <class Body>
GAN_INLINE void whole_tile(int64_t width, Body&& body) {
  switch (width / kVector) {
    case 1:
      return body.template operator()<1>();
    case 2:
      return body.template operator()<2>();
    case 3:
      return body.template operator()<3>();
    default:
      return body.template operator()<4>();
  }
}
template <class Product>
GAN_INLINE void gather_whole(const Gather<typename Product::Lane>& g) {
  whole_tile(g.width,
             [&]<int vectors>() GAN_INLINE_LAMBDA { gather_columns<Product, vectors>(g, 0); });
}
template <class Product>
GAN_INLINE void multiply_whole(const MatrixProduct<typename Product::Lane>& m) {
  whole_tile(m.width,
             [&]<int vectors>() GAN_INLINE_LAMBDA { multiply_columns<Product, vectors>(m, 0); });
}
template <class Product>
GAN_INLINE void outer_whole(const Outer<typename Product::Lane>& o) {
  whole_tile(o.width,
             [&]<int vectors>() GAN_INLINE_LAMBDA { outer_columns<Product, vectors>(o, 0); });
}

#if defined(__aarch64__)
constexpr int kNarrowVectors = 4;  // 32 registers
#else
constexpr int kNarrowVectors = 2;
#endif

template <class Product>
void gather_baseline(const Gather<typename Product::Lane>& g) {
  gather_in_goes<Product, kNarrowVectors>(g);
}
template <class Product>
void multiply_baseline(const MatrixProduct<typename Product::Lane>& m) {
  multiply_in_goes<Product, kNarrowVectors>(m);
}
template <class Product>
void outer_baseline(const Outer<typename Product::Lane>& o) {
  outer_in_goes<Product, kNarrowVectors>(o);
}
template <class Product>
constexpr ConvMicro<typename Product::Lane> kBaseline = {
    gather_baseline<Product>, multiply_baseline<Product>, outer_baseline<Product>};

#if defined(__x86_64__)

template <class Product>
__attribute__((target("avx2,fma"))) void gather_avx2(const Gather<typename Product::Lane>& g) {
  gather_in_goes<Product, 2>(g);
}
template <class Product>
__attribute__((target("avx2,fma"))) void multiply_avx2(
    const MatrixProduct<typename Product::Lane>& m) {
  multiply_in_goes<Product, 2>(m);
}
template <class Product>
__attribute__((target("avx2,fma"))) void outer_avx2(const Outer<typename Product::Lane>& o) {
  outer_in_goes<Product, 2>(o);
}
template <class Product>
constexpr ConvMicro<typename Product::Lane> kAvx2 = {gather_avx2<Product>, multiply_avx2<Product>,
                                                     outer_avx2<Product>};

template <class Product>
__attribute__((target("avx512f"))) void gather_avx512(const Gather<typename Product::Lane>& g) {
  gather_whole<Product>(g);
}
template <class Product>
__attribute__((target("avx512f"))) void multiply_avx512(
    const MatrixProduct<typename Product::Lane>& m) {
  multiply_whole<Product>(m);
}
template <class Product>
__attribute__((target("avx512f"))) void outer_avx512(const Outer<typename Product::Lane>& o) {
  outer_whole<Product>(o);
}
template <class Product>
constexpr ConvMicro<typename Product::Lane> kAvx512 = {
    gather_avx512<Product>, multiply_avx512<Product>, outer_avx512<Product>};

#endif

// Clang refuses the instruction's registers in a function that is not for its processors.
#if defined(__x86_64__) && !defined(__clang__)
#define GAN_PAIR_INSTRUCTION 1

// The instruction for pairs. By name: the compiler's function for it can only be inlined into
// functions for the same processors, which templates are not.
struct PairsAvx512 {
  using Lane = Pair;
  using Vector = Wide::Vector;
  typedef int32_t Bits __attribute__((vector_size(64)));
  static GAN_INLINE void multiply_add(Vector& sum, const Pair* lane, const Vector& row) {
    int32_t bits;
    std::memcpy(&bits, lane, sizeof bits);
    const Bits both = Bits{} + bits;
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(row), "v"(both));
  }
};
__attribute__((target("avx512f,avx512bf16"))) void gather_bf16(const Gather<Pair>& g) {
  gather_whole<PairsAvx512>(g);
}
__attribute__((target("avx512f,avx512bf16"))) void multiply_bf16(const MatrixProduct<Pair>& m) {
  multiply_whole<PairsAvx512>(m);
}
__attribute__((target("avx512f,avx512bf16"))) void outer_bf16(const Outer<Pair>& o) {
  outer_whole<PairsAvx512>(o);
}
constexpr ConvMicro<Pair> kBf16 = {gather_bf16, multiply_bf16, outer_bf16};

#endif

}  // namespace

template <>
const ConvMicro<float>* conv_micro<float>() {
#if defined(__x86_64__)
  if (instruction_set() >= InstructionSet::avx512) return &kAvx512<Single<Wide>>;
  if (instruction_set() == InstructionSet::avx2) return &kAvx2<Single<Medium>>;
#endif
  return &kBaseline<Single<Narrow>>;
}

template <>
const ConvMicro<Pair>* conv_micro<Pair>() {
#if defined(GAN_PAIR_INSTRUCTION)
  if (pairs_are_fast()) return &kBf16;
#endif
#if defined(__x86_64__)
  if (instruction_set() >= InstructionSet::avx512) return &kAvx512<PairsAnywhere<Wide>>;
  if (instruction_set() == InstructionSet::avx2) return &kAvx2<PairsAnywhere<Medium>>;
#endif
  return &kBaseline<PairsAnywhere<Narrow>>;
}

bool pairs_are_fast() {
#if defined(GAN_PAIR_INSTRUCTION)
  return instruction_set() == InstructionSet::avx512_bf16;
#else
  return false;
#endif
}

}  // namespace gan::cpu

#else

namespace gan::cpu {
template <>
const ConvMicro<float>* conv_micro<float>() {
  return nullptr;
}
template <>
const ConvMicro<Pair>* conv_micro<Pair>() {
  return nullptr;
}
bool pairs_are_fast() {
  return false;
}
}  // namespace gan::cpu

#endif
