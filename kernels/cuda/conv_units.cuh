// Tiles of a matrix product in shared memory and the ways to multiply them: bf16 and tf32 tensor
// cores, and float32 multiply-adds. Hopper's way with bf16 is in conv_wgmma.cuh.
//
// A block computes sums[m, n] += sum over k of a[m, k] * b[n, k] for a tile of M x N sums, K terms
// per step. Its operands lie in shared memory in one of two orders:
//   k_inner   [M or N][K]   forward and data gradient: channels are the sum index and lie together
//   k_outer   [K][M or N]   weight gradient: pixels are the sum index, channels lie together
// Rows are split into 16-byte chunks, and the chunk's number is mixed with the row's so that the
// eight rows an ldmatrix (or eight threads' loads) touch lie in eight different bank groups.
//
// A unit multiplies at once, or, when its kInFlight is 1, goes on reading a step's operands until it
// is waited for. chunk_at() is where it wants a chunk of a k_outer tile.
#pragma once

#include "kernels/cuda/gpu.h"

namespace gan::cuda {

// Blocks: how many should fit on a multiprocessor at once, which bounds registers.
template <int M, int N, int K, int Stages, int WarpsM, int WarpsN, int Blocks>
struct Tile {
  static constexpr int kM = M, kN = N, kK = K, kStages = Stages;
  static constexpr int kWarpsM = WarpsM, kWarpsN = WarpsN;
  static constexpr int kThreads = 32 * WarpsM * WarpsN;
  static constexpr int kBlocks = Blocks;
};

// Sums lie in shared memory between the product and what follows. 8 columns more than needed: the
// 8-byte stores of a fragment's rows then fall into different banks.
template <class Tile>
inline constexpr int kSumPitch = Tile::kN + 8;

enum class Order { k_inner, k_outer };

// Where a 16-byte chunk lies, counted in chunks. ChunksPerRow is a power of two. Unsigned, so that
// the compiler sees which bits multiples of 8 rows leave alone.
template <int ChunksPerRow>
__device__ __forceinline__ int swizzled(int row, int chunk) {
  // Shorter rows share a line of 128 bytes; then the line's number counts.
  constexpr unsigned kRowsPerLine = ChunksPerRow >= 8 ? 1 : 8 / ChunksPerRow;
  constexpr unsigned kMixed = ChunksPerRow >= 8 ? 8 : ChunksPerRow;
  const auto r = static_cast<unsigned>(row);
  return static_cast<int>(r * ChunksPerRow +
                          (static_cast<unsigned>(chunk) ^ (r / kRowsPerLine % kMixed)));
}

// What units that multiply at once have in common.
struct ImmediateUnit {
  static constexpr int kInFlight = 0;
  template <int ChunksPerRow>
  static __device__ __forceinline__ int chunk_at(int row, int chunk) {
    return swizzled<ChunksPerRow>(row, chunk);
  }
  static __device__ __forceinline__ void publish() {}
  template <int Steps>
  __device__ __forceinline__ void wait() {}
};

// An accumulator fragment: lane i holds columns 2*(i%4), +1 of rows i/4 and i/4 + 8.
template <class Tile, int Rows, int Columns>
__device__ __forceinline__ void store_fragments(const float (&sums)[Rows][Columns][4], int m0,
                                                int n0, int lane, float* tile) {
  GAN_UNROLL
  for (int i = 0; i < Rows; ++i) {
    GAN_UNROLL
    for (int j = 0; j < Columns; ++j) {
      float* const to =
          tile + (m0 + 16 * i + lane / 4) * kSumPitch<Tile> + n0 + 8 * j + lane % 4 * 2;
      gpu::store_packet(to, gpu::Packet<float, 2>{{sums[i][j][0], sums[i][j][1]}});
      gpu::store_packet(to + 8 * kSumPitch<Tile>,
                        gpu::Packet<float, 2>{{sums[i][j][2], sums[i][j][3]}});
    }
  }
}

// ---- bf16: mma.sync m16n8k16

template <class Tile_, Order order>
class Bf16Unit : public ImmediateUnit {
 public:
  using Tile = Tile_;
  using Element = gpu::bf16;

  __device__ __forceinline__ Bf16Unit() {
    const int warp = static_cast<int>(threadIdx.x) / 32;
    lane_ = gpu::lane_id();
    m0_ = warp % Tile::kWarpsM * kWarpM;
    n0_ = warp / Tile::kWarpsM * kWarpN;
  }

  __device__ __forceinline__ void multiply(const Element* a, const Element* b) {
    GAN_UNROLL
    for (int k = 0; k < Tile::kK; k += 16) {
      uint32_t a_part[kWarpM / 16][4], b_part[kWarpN / 16][4];
      GAN_UNROLL
      for (int i = 0; i < kWarpM / 16; ++i) load_a(a_part[i], a, m0_ + 16 * i, k);
      GAN_UNROLL
      for (int j = 0; j < kWarpN / 16; ++j) load_b(b_part[j], b, n0_ + 16 * j, k);
      GAN_UNROLL
      for (int i = 0; i < kWarpM / 16; ++i) {
        GAN_UNROLL
        for (int j = 0; j < kWarpN / 8; ++j)
          gpu::mma_bf16(sums_[i][j], a_part[i], b_part[j / 2][j % 2 * 2],
                        b_part[j / 2][j % 2 * 2 + 1]);
      }
    }
  }

  __device__ __forceinline__ void store(float* tile) const {
    store_fragments<Tile>(sums_, m0_, n0_, lane_, tile);
  }

 private:
  static constexpr int kWarpM = Tile::kM / Tile::kWarpsM, kWarpN = Tile::kN / Tile::kWarpsN;
  static_assert(kWarpM % 16 == 0 && kWarpN % 16 == 0 && Tile::kK % 16 == 0, "whole fragments");

  // The 16x16 part of A at row m, column k. Lane i names row i%8 of matrix i/8; the matrices are
  // (rows, columns): 0: (0, 0), 1: (8, 0), 2: (0, 8), 3: (8, 8).
  __device__ __forceinline__ void load_a(uint32_t (&part)[4], const Element* a, int m,
                                         int k) const {
    if constexpr (order == Order::k_inner)
      gpu::ldmatrix(part, a + 8 * swizzled<Tile::kK / 8>(m + lane_ % 16, k / 8 + lane_ / 16));
    else
      gpu::ldmatrix_trans(part, a + 8 * swizzled<Tile::kM / 8>(k + lane_ % 8 + lane_ / 16 * 8,
                                                               m / 8 + lane_ / 8 % 2));
  }
  // Two 16x8 parts of B side by side; the matrices are (n, k): 0: (0, 0), 1: (0, 8), 2: (8, 0),
  // 3: (8, 8).
  __device__ __forceinline__ void load_b(uint32_t (&part)[4], const Element* b, int n,
                                         int k) const {
    if constexpr (order == Order::k_inner)
      gpu::ldmatrix(part, b + 8 * swizzled<Tile::kK / 8>(n + lane_ % 8 + lane_ / 16 * 8,
                                                         k / 8 + lane_ / 8 % 2));
    else
      gpu::ldmatrix_trans(part, b + 8 * swizzled<Tile::kN / 8>(k + lane_ % 16, n / 8 + lane_ / 16));
  }

  float sums_[kWarpM / 16][kWarpN / 8][4] = {};
  int lane_, m0_, n0_;
};

// ---- tf32: mma.sync m16n8k8

template <class Tile_, Order order>
class Tf32Unit : public ImmediateUnit {
 public:
  using Tile = Tile_;
  using Element = float;

  __device__ __forceinline__ Tf32Unit() {
    const int warp = static_cast<int>(threadIdx.x) / 32;
    lane_ = gpu::lane_id();
    m0_ = warp % Tile::kWarpsM * kWarpM;
    n0_ = warp / Tile::kWarpsM * kWarpN;
  }

  __device__ __forceinline__ void multiply(const Element* a, const Element* b) {
    GAN_UNROLL
    for (int k = 0; k < Tile::kK; k += 8) {
      uint32_t a_part[kWarpM / 16][4], b_part[kWarpN / 16][4];
      GAN_UNROLL
      for (int i = 0; i < kWarpM / 16; ++i) load_a(a_part[i], a, m0_ + 16 * i, k);
      GAN_UNROLL
      for (int j = 0; j < kWarpN / 16; ++j) load_b(b_part[j], b, n0_ + 16 * j, k);
      GAN_UNROLL
      for (int i = 0; i < kWarpM / 16; ++i) {
        GAN_UNROLL
        for (int j = 0; j < kWarpN / 8; ++j)
          gpu::mma_tf32(sums_[i][j], a_part[i], b_part[j / 2][j % 2 * 2],
                        b_part[j / 2][j % 2 * 2 + 1]);
      }
    }
  }

  __device__ __forceinline__ void store(float* tile) const {
    store_fragments<Tile>(sums_, m0_, n0_, lane_, tile);
  }

 private:
  static constexpr int kWarpM = Tile::kM / Tile::kWarpsM, kWarpN = Tile::kN / Tile::kWarpsN;
  static_assert(kWarpM % 16 == 0 && kWarpN % 16 == 0 && Tile::kK % 8 == 0, "whole fragments");

  // k_inner: an 8x8 matrix of 16-bit elements is an 8x4 one of floats, and ldmatrix gives each lane
  // just its float. k_outer: ldmatrix cannot transpose floats, so each lane loads its own; it takes
  // terms 2t and 2t+1 where the fragment says t and t+4, in A and B alike, because rows two apart
  // lie in different banks.
  __device__ __forceinline__ void load_a(uint32_t (&part)[4], const Element* a, int m,
                                         int k) const {
    if constexpr (order == Order::k_inner) {
      gpu::ldmatrix(part, a + 4 * swizzled<Tile::kK / 4>(m + lane_ % 16, k / 4 + lane_ / 16));
      round(part);
    } else {
      const int row = k + lane_ % 4 * 2, column = m + lane_ / 4;
      part[0] = load<Tile::kM>(a, row, column);
      part[1] = load<Tile::kM>(a, row, column + 8);
      part[2] = load<Tile::kM>(a, row + 1, column);
      part[3] = load<Tile::kM>(a, row + 1, column + 8);
    }
  }
  __device__ __forceinline__ void load_b(uint32_t (&part)[4], const Element* b, int n,
                                         int k) const {
    if constexpr (order == Order::k_inner) {
      gpu::ldmatrix(part, b + 4 * swizzled<Tile::kK / 4>(n + lane_ % 8 + lane_ / 16 * 8,
                                                         k / 4 + lane_ / 8 % 2));
      round(part);
    } else {
      const int row = k + lane_ % 4 * 2, column = n + lane_ / 4;
      part[0] = load<Tile::kN>(b, row, column);
      part[1] = load<Tile::kN>(b, row + 1, column);
      part[2] = load<Tile::kN>(b, row, column + 8);
      part[3] = load<Tile::kN>(b, row + 1, column + 8);
    }
  }
  template <int Columns>
  static __device__ __forceinline__ uint32_t load(const Element* tile, int row, int column) {
    return gpu::to_tf32(tile[4 * swizzled<Columns / 4>(row, column / 4) + column % 4]);
  }
  static __device__ __forceinline__ void round(uint32_t (&part)[4]) {
    GAN_UNROLL
    for (uint32_t& word : part) word = gpu::to_tf32(gpu::bit_cast<float>(word));
  }

  float sums_[kWarpM / 16][kWarpN / 8][4] = {};
  int lane_, m0_, n0_;
};

// ---- float32: every thread adds up its own sums, kRows x kColumns of them

template <class Tile_, Order order>
class Fp32Unit : public ImmediateUnit {
 public:
  using Tile = Tile_;
  using Element = float;

  __device__ __forceinline__ Fp32Unit() {
    x_ = static_cast<int>(threadIdx.x) % kAcross;
    y_ = static_cast<int>(threadIdx.x) / kAcross;
  }

  __device__ __forceinline__ void multiply(const Element* a, const Element* b) {
    if constexpr (order == Order::k_inner) {
      GAN_UNROLL
      for (int chunk = 0; chunk < Tile::kK / 4; ++chunk) {
        // Half of the rows at a time: the operands of all of them do not fit in the registers.
        GAN_UNROLL
        for (int half = 0; half < kRows; half += kRows / 2) {
          gpu::Packet<float> a_part[kRows / 2];
          GAN_UNROLL
          for (int i = 0; i < kRows / 2; ++i)
            a_part[i] = gpu::load_packet(a + 4 * swizzled<Tile::kK / 4>(row(half + i), chunk));
          GAN_UNROLL
          for (int j = 0; j < kColumns; ++j) {
            const auto b_part = gpu::load_packet(b + 4 * swizzled<Tile::kK / 4>(column(j), chunk));
            GAN_UNROLL
            for (int k = 0; k < 4; ++k) {
              GAN_UNROLL
              for (int i = 0; i < kRows / 2; ++i)
                sums_[half + i][j] += a_part[i].v[k] * b_part.v[k];
            }
          }
        }
      }
    } else {
      GAN_UNROLL
      for (int k = 0; k < Tile::kK; ++k) {
        gpu::Packet<float> a_part[kRows / 4], b_part[kColumns / 4];
        GAN_UNROLL
        for (int i = 0; i < kRows / 4; ++i)
          a_part[i] = gpu::load_packet(a + 4 * swizzled<Tile::kM / 4>(k, row(4 * i) / 4));
        GAN_UNROLL
        for (int j = 0; j < kColumns / 4; ++j)
          b_part[j] = gpu::load_packet(b + 4 * swizzled<Tile::kN / 4>(k, column(4 * j) / 4));
        GAN_UNROLL
        for (int i = 0; i < kRows; ++i) {
          GAN_UNROLL
          for (int j = 0; j < kColumns; ++j)
            sums_[i][j] += a_part[i / 4].v[i % 4] * b_part[j / 4].v[j % 4];
        }
      }
    }
  }

  __device__ __forceinline__ void store(float* tile) const {
    GAN_UNROLL
    for (int i = 0; i < kRows; ++i) {
      GAN_UNROLL
      for (int j = 0; j < kColumns; ++j) tile[row(i) * kSumPitch<Tile> + column(j)] = sums_[i][j];
    }
  }

 private:
  static constexpr int kAcross = 16;  // threads side by side, so that 8 of them read 8 rows of B
  static constexpr int kDown = Tile::kThreads / kAcross;
  static constexpr int kRows = Tile::kM / kDown, kColumns = Tile::kN / kAcross;
  static_assert(order == Order::k_inner || (kRows % 4 == 0 && kColumns % 4 == 0), "whole packets");

  // k_inner: neighbouring threads take neighbouring rows. k_outer: a thread takes packets of four.
  __device__ __forceinline__ int row(int i) const {
    return order == Order::k_inner ? y_ + kDown * i : (y_ + kDown * (i / 4)) * 4 + i % 4;
  }
  __device__ __forceinline__ int column(int j) const {
    return order == Order::k_inner ? x_ + kAcross * j : (x_ + kAcross * (j / 4)) * 4 + j % 4;
  }

  float sums_[kRows][kColumns] = {};
  int x_, y_;
};

}  // namespace gan::cuda
