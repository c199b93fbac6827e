// bf16 products on Hopper's warpgroup tensor cores, for conv_gemm and conv_wgrad (conv_units.cuh says
// what a unit is).
//
// Against mma.sync: operands go from shared memory to the tensor cores without passing through
// registers, 64 rows read the other operand once, and a step is multiplied while the next one's copies
// are started. What a multiprocessor needs for 64 terms of M x N sums, in clocks at full rate (4096
// operations and 128 bytes of shared memory a clock):
//   products   2 x 64 M N / 4096
//   reads      (64 + N) x 128 / 128 for each of M / 64 warpgroups
//   copies in  (M + N) x 128 / 128
// 128 x 128: 512 | 384 + 256; 256 x 128: 1024 | 768 + 384. At that rate the copies would want 64 and 48
// bytes a clock of the L2 cache; it gives about 22, 5 TB/s for all, measured, which bounds the kernels.
#pragma once

#include "kernels/cuda/conv_units.cuh"
#include "kernels/cuda/wgmma.h"

namespace gan::cuda {

// kM / 64 warpgroups, one above the other; each multiplies 64 x kN.
template <class Tile_, Order order>
class WgmmaUnit {
 public:
  using Tile = Tile_;
  using Element = gpu::bf16;
  static constexpr int kInFlight = 1;

  __device__ __forceinline__ WgmmaUnit() : warp_(static_cast<int>(threadIdx.x) / 32) {}

  // k_outer tiles are panels of 64 rows or columns, see WgmmaOrder::m_rows.
  template <int ChunksPerRow>
  static __device__ __forceinline__ int chunk_at(int row, int chunk) {
    const auto r = static_cast<unsigned>(row), c = static_cast<unsigned>(chunk);
    return static_cast<int>((c / 8 * Tile::kK + r) * 8 + (c % 8 ^ r % 8));
  }

  static __device__ __forceinline__ void publish() { gpu::wgmma_publish(); }

  __device__ __forceinline__ void multiply(const Element* a, const Element* b) {
    a += warp_ / 4 * (64 * Tile::kK);  // 64 rows, or a panel
    gpu::wgmma_fence();
    GAN_UNROLL
    for (int k = 0; k < Tile::kK; k += 16)
      gpu::wgmma<Tile::kN, kOrder, kOrder>(sums_, gpu::wgmma_matrix(a + k * kPerTerm, kPanelBytes),
                                           gpu::wgmma_matrix(b + k * kPerTerm, kPanelBytes));
    gpu::wgmma_commit();
  }

  template <int Steps>
  __device__ __forceinline__ void wait() {
    gpu::wgmma_wait<Steps>();
  }

  __device__ __forceinline__ void store(float* tile) const {
    const int lane = gpu::lane_id();
    float* const to = tile + (16 * warp_ + lane / 4) * kSumPitch<Tile> + lane % 4 * 2;
    GAN_UNROLL
    for (int j = 0; j < Tile::kN / 8; ++j) {
      gpu::store_packet(to + 8 * j, gpu::Packet<float, 2>{{sums_[4 * j], sums_[4 * j + 1]}});
      gpu::store_packet(to + 8 * j + 8 * kSumPitch<Tile>,
                        gpu::Packet<float, 2>{{sums_[4 * j + 2], sums_[4 * j + 3]}});
    }
  }

 private:
  static constexpr gpu::WgmmaOrder kOrder =
      order == Order::k_inner ? gpu::WgmmaOrder::k_rows : gpu::WgmmaOrder::m_rows;
  static constexpr int kPerTerm = order == Order::k_inner ? 1 : 64;  // elements from term to term
  static constexpr int kPanelBytes = 128 * Tile::kK;
  static_assert(Tile::kK == 64, "a row is 128 bytes");
  static_assert(Tile::kM == 16 * Tile::kWarpsM && Tile::kM % 64 == 0 && Tile::kWarpsN == 1,
                "whole warpgroups above each other");

  float sums_[Tile::kN / 2] = {};
  int warp_;
};

}  // namespace gan::cuda
