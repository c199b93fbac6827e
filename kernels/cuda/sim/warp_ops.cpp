// The operations a warp does together, in the register layouts of the PTX ISA. In every 32-lane
// fragment below, `group` is lane / 4 and `pair` is lane % 4.
#include <bit>
#include <cstdint>

#include "engine/error.h"
#include "kernels/cuda/sim/ready_queue.h"
#include "kernels/cuda/sim/runtime.h"

namespace gan::sim {

namespace {

using Payloads = void* const[kWarpSize];

template <class Payload>
Payload& payload(Payloads& payloads, int lane) {
  return *static_cast<Payload*>(payloads[lane]);
}

void shuffle(Payloads& payloads, uint32_t lanes) {
  uint64_t bits[kWarpSize];
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    bits[lane] = payload<ShufflePayload>(payloads, lane).bits;
  }
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
    auto& mine = payload<ShufflePayload>(payloads, std::countr_zero(rest));
    if (!(lanes >> mine.source_lane & 1))
      fail(Fault::divergent_warp,
           str("a shuffle reads from lane ", mine.source_lane, ", which takes no part"));
    mine.bits = bits[mine.source_lane];
  }
}

void ballot(Payloads& payloads, uint32_t lanes) {
  uint32_t votes = 0;
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    if (payload<VotePayload>(payloads, lane).predicate) votes |= 1u << lane;
  }
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1)
    payload<VotePayload>(payloads, std::countr_zero(rest)).ballot = votes;
}

void require_full_warp(uint32_t lanes, const char* name) {
  if (lanes != ~0u) fail(Fault::divergent_warp, str(name, " needs a warp of 32 threads"));
}

// Row r of matrix m comes from lane 8m + r; each lane gets two neighbours of a row, or of a column
// when transposed.
template <int Matrices, bool Transposed>
void ldmatrix(Payloads& payloads, uint32_t lanes) {
  require_full_warp(lanes, "ldmatrix");
  for (int lane = 0; lane < kWarpSize; ++lane) {
    const int group = lane / 4, pair = lane % 4;
    for (int m = 0; m < Matrices; ++m) {
      uint32_t& result = payload<LdmatrixPayload>(payloads, lane).result[m];
      if constexpr (Transposed) {
        const auto element = [&](int row) {
          return payload<LdmatrixPayload>(payloads, 8 * m + row).row[group / 2] >>
                     16 * (group % 2) &
                 0xffff;
        };
        result = element(2 * pair) | element(2 * pair + 1) << 16;
      } else {
        result = payload<LdmatrixPayload>(payloads, 8 * m + group).row[pair];
      }
    }
  }
}

// c += a x b. Two rows at a time share each row of b; their four sums stay in registers, which
// arrays of vectors would not.
template <int K>
void multiply(const float (&a)[16][K], const float (&b)[K][8], float (&c)[16][8]) {
  typedef float Four __attribute__((vector_size(16), may_alias));
  const auto four = [](const float* from) { return *reinterpret_cast<const Four*>(from); };
  const auto store = [](float* to, Four value) { *reinterpret_cast<Four*>(to) = value; };
  for (int i = 0; i < 16; i += 2) {
    Four upper_left = four(c[i]), upper_right = four(c[i] + 4);
    Four lower_left = four(c[i + 1]), lower_right = four(c[i + 1] + 4);
    for (int k = 0; k < K; ++k) {
      const Four left = four(b[k]), right = four(b[k] + 4);
      upper_left += a[i][k] * left;
      upper_right += a[i][k] * right;
      lower_left += a[i + 1][k] * left;
      lower_right += a[i + 1][k] * right;
    }
    store(c[i], upper_left);
    store(c[i] + 4, upper_right);
    store(c[i + 1], lower_left);
    store(c[i + 1] + 4, lower_right);
  }
}

float low_bf16(uint32_t packed) {
  return std::bit_cast<float>(packed << 16);
}
float high_bf16(uint32_t packed) {
  return std::bit_cast<float>(packed & 0xffff0000u);
}
// The tensor core looks at the upper 19 bits only.
float tf32(uint32_t bits) {
  return std::bit_cast<float>(bits & ~0x1fffu);
}

void load_accumulators(Payloads& payloads, float (&c)[16][8]) {
  for (int lane = 0; lane < kWarpSize; ++lane) {
    const float* d = payload<MmaPayload>(payloads, lane).d;
    const int group = lane / 4, column = 2 * (lane % 4);
    c[group][column] = d[0];
    c[group][column + 1] = d[1];
    c[group + 8][column] = d[2];
    c[group + 8][column + 1] = d[3];
  }
}

void store_accumulators(Payloads& payloads, const float (&c)[16][8]) {
  for (int lane = 0; lane < kWarpSize; ++lane) {
    float* d = payload<MmaPayload>(payloads, lane).d;
    const int group = lane / 4, column = 2 * (lane % 4);
    d[0] = c[group][column];
    d[1] = c[group][column + 1];
    d[2] = c[group + 8][column];
    d[3] = c[group + 8][column + 1];
  }
}

void mma_bf16(Payloads& payloads, uint32_t lanes) {
  require_full_warp(lanes, "mma");
  alignas(16) float a[16][16], b[16][8], c[16][8];
  for (int lane = 0; lane < kWarpSize; ++lane) {
    const auto& p = payload<MmaPayload>(payloads, lane);
    const int group = lane / 4, k = 2 * (lane % 4);
    const uint32_t a_registers[4] = {p.a[0], p.a[1], p.a[2], p.a[3]};
    for (int i = 0; i < 4; ++i) {
      float* two = &a[group + 8 * (i % 2)][k + 8 * (i / 2)];
      two[0] = low_bf16(a_registers[i]);
      two[1] = high_bf16(a_registers[i]);
    }
    b[k][group] = low_bf16(p.b0);
    b[k + 1][group] = high_bf16(p.b0);
    b[k + 8][group] = low_bf16(p.b1);
    b[k + 9][group] = high_bf16(p.b1);
  }
  load_accumulators(payloads, c);
  multiply(a, b, c);
  store_accumulators(payloads, c);
}

void mma_tf32(Payloads& payloads, uint32_t lanes) {
  require_full_warp(lanes, "mma");
  alignas(16) float a[16][8], b[8][8], c[16][8];
  for (int lane = 0; lane < kWarpSize; ++lane) {
    const auto& p = payload<MmaPayload>(payloads, lane);
    const int group = lane / 4, k = lane % 4;
    for (int i = 0; i < 4; ++i) a[group + 8 * (i % 2)][k + 4 * (i / 2)] = tf32(p.a[i]);
    b[k][group] = tf32(p.b0);
    b[k + 4][group] = tf32(p.b1);
  }
  load_accumulators(payloads, c);
  multiply(a, b, c);
  store_accumulators(payloads, c);
}

const WarpOp ldmatrix_ops[2][3] = {
    {{"ldmatrix.x1", true, false, ldmatrix<1, false>},
     {"ldmatrix.x2", true, false, ldmatrix<2, false>},
     {"ldmatrix.x4", true, false, ldmatrix<4, false>}},
    {{"ldmatrix.x1.trans", true, false, ldmatrix<1, true>},
     {"ldmatrix.x2.trans", true, false, ldmatrix<2, true>},
     {"ldmatrix.x4.trans", true, false, ldmatrix<4, true>}},
};

}  // namespace

const WarpOp syncwarp_op{"syncwarp", false, true, nullptr};
const WarpOp shuffle_op{"shfl", false, false, shuffle};
const WarpOp ballot_op{"ballot", false, false, ballot};
const WarpOp mma_bf16_op{"mma_bf16", true, false, mma_bf16};
const WarpOp mma_tf32_op{"mma_tf32", true, false, mma_tf32};
const WarpOp wgmma_op{"wgmma", true, false,
                      [](Payloads&, uint32_t lanes) { require_full_warp(lanes, "wgmma"); }};

const WarpOp& ldmatrix_op(int matrices, bool transposed) {
  return ldmatrix_ops[transposed][matrices / 2];
}

}  // namespace gan::sim
