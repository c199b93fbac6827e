// The rounds are those of Philox::at. A word of a block is the lower half of a lane of 64 bits, whose
// upper half is anything: that is what the instruction for 32 x 32 = 64 bits takes, so that a round
// is six instructions for as many blocks as there are lanes. Their results wait for one another;
// four vectors side by side keep the processor busy.
#include "kernels/cpu/uniform.h"

#include "engine/random.h"
#include "kernels/cpu/instruction_set.h"
#include "kernels/cpu/vectors.h"

namespace gan::cpu {
namespace {

#if defined(GAN_VECTORS)

template <class V>
struct Lanes {
  typedef uint64_t Vector __attribute__((vector_size(sizeof(typename V::Vector))));
};

// The products of the lanes' lower halves. By name: from an expression GCC makes three
// multiplications.
template <class Vector>
GAN_INLINE void multiply_halves(const Vector& a, const Vector& b, Vector& product) {
#if defined(__x86_64__) && !defined(__clang__)
  if constexpr (sizeof(Vector) > 16) {
    asm("vpmuludq %2, %1, %0" : "=v"(product) : "v"(a), "v"(b));
  } else {
    product = a;
    asm("pmuludq %1, %0" : "+x"(product) : "x"(b));
  }
#else
  product = (a & 0xffffffffu) * (b & 0xffffffffu);
#endif
}

template <class V>
GAN_INLINE void draw(uint64_t seed, uint64_t high, uint64_t first_block, int64_t numbers,
                     float* out) {
  using Vector = typename Lanes<V>::Vector;
  constexpr int kSide = 4, kLanes = sizeof(Vector) / sizeof(uint64_t);
  static_assert(kUniformBatch % (4 * kSide * kLanes) == 0);
  const Vector m0 = Vector{} + 0xD2511F53u, m1 = Vector{} + 0xCD9E8D57u;
  Vector count;
  for (int i = 0; i < kLanes; ++i) count[i] = first_block + static_cast<uint64_t>(i);
  for (int64_t done = 0; done < numbers; done += 4 * kSide * kLanes) {
    Vector x[kSide][4] = {};
    GAN_UNROLL
    for (int s = 0; s < kSide; ++s, count += kLanes) {
      x[s][0] = count;
      x[s][1] = count >> 32;
      x[s][2] = Vector{} + high;
      x[s][3] = Vector{} + (high >> 32);
    }
    uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
      GAN_UNROLL
      for (int s = 0; s < kSide; ++s) {
        Vector p0, p1;
        multiply_halves(x[s][0], m0, p0);
        multiply_halves(x[s][2], m1, p1);
        x[s][0] = (p1 >> 32) ^ x[s][1] ^ k0;
        x[s][2] = (p0 >> 32) ^ x[s][3] ^ k1;
        x[s][1] = p1;
        x[s][3] = p0;
      }
    }
    // Two words to a lane, then the lanes of both pairs in turn: the blocks one after another.
    uint64_t pairs[kSide * kLanes][2];
    GAN_UNROLL
    for (int s = 0; s < kSide; ++s) {
      const Vector low = (x[s][0] & 0xffffffffu) | x[s][1] << 32;
      const Vector upper = (x[s][2] & 0xffffffffu) | x[s][3] << 32;
      for (int i = 0; i < kLanes; ++i) {
        pairs[s * kLanes + i][0] = low[i];
        pairs[s * kLanes + i][1] = upper[i];
      }
    }
    for (int i = 0; i < kSide * kLanes; ++i) {
      for (int pair = 0; pair < 2; ++pair) {
        *out++ = unit_float(static_cast<uint32_t>(pairs[i][pair]));
        *out++ = unit_float(static_cast<uint32_t>(pairs[i][pair] >> 32));
      }
    }
  }
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void draw_avx512(uint64_t seed, uint64_t high, uint64_t first,
                                                    int64_t numbers, float* out) {
  draw<Wide>(seed, high, first, numbers, out);
}
__attribute__((target("avx2"))) void draw_avx2(uint64_t seed, uint64_t high, uint64_t first,
                                               int64_t numbers, float* out) {
  draw<Medium>(seed, high, first, numbers, out);
}
#endif

#endif

}  // namespace

void draw_uniform(uint64_t seed, uint64_t high, uint64_t first_block, int64_t count, float* out) {
#if defined(GAN_VECTORS)
#if defined(__x86_64__)
  if (instruction_set() >= InstructionSet::avx512) {
    return draw_avx512(seed, high, first_block, count, out);
  }
  if (instruction_set() == InstructionSet::avx2) {
    return draw_avx2(seed, high, first_block, count, out);
  }
#endif
  draw<Narrow>(seed, high, first_block, count, out);
#else
  for (int64_t i = 0; 4 * i < count; ++i)
    for (const uint32_t word : Philox::at(seed, high, first_block + static_cast<uint64_t>(i)))
      *out++ = unit_float(word);
#endif
}

}  // namespace gan::cpu
