// The simulator's side of wgmma.h. Each lane computes the sums that are its own, at once or only when
// its batch is waited for, as a seeded coin has it: operands that are overwritten too early, or written
// too late, give wrong sums under some schedule. Included by wgmma.h only.
#pragma once

namespace gan::sim {

// The element (row, k) of an operand, whichever way it lies.
template <gpu::WgmmaOrder Order>
float wgmma_element(const gpu::bf16* tile, int panel_bytes, int row, int k) {
  const int line = Order == gpu::WgmmaOrder::k_rows ? row : k;
  const int across = Order == gpu::WgmmaOrder::k_rows ? k : row;
  // Inside a line the tile may begin at any of its 16 terms; the exchange goes by the true place.
  const auto address = reinterpret_cast<uintptr_t>(tile);
  const auto first = static_cast<int>(address % 128 / sizeof(gpu::bf16));
  const gpu::bf16* const panel =
      tile - first + (first + across) / 64 * (panel_bytes / static_cast<int>(sizeof(gpu::bf16)));
  const int chunk = (first + across) % 64 / 8 ^ line % 8;
  const gpu::bf16 value = panel[line * 64 + chunk * 8 + across % 8];
  return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16);
}

template <int N, gpu::WgmmaOrder OrderA, gpu::WgmmaOrder OrderB>
void compute_wgmma(const AsyncProduct& product) {
  constexpr int kTerms = 16;
  const auto* const a = static_cast<const gpu::bf16*>(product.a);
  const auto* const b = static_cast<const gpu::bf16*>(product.b);
  const int row = 16 * product.warp + product.lane / 4, column = 2 * (product.lane % 4);
  float upper[kTerms], lower[kTerms];
  for (int k = 0; k < kTerms; ++k) {
    upper[k] = wgmma_element<OrderA>(a, product.a_panel, row, k);
    lower[k] = wgmma_element<OrderA>(a, product.a_panel, row + 8, k);
  }
  for (int j = 0; j < N / 8; ++j) {
    for (int right = 0; right < 2; ++right) {
      float sums[2] = {product.sums[4 * j + right], product.sums[4 * j + 2 + right]};
      for (int k = 0; k < kTerms; ++k) {
        const float other = wgmma_element<OrderB>(b, product.b_panel, 8 * j + column + right, k);
        sums[0] += upper[k] * other;
        sums[1] += lower[k] * other;
      }
      product.sums[4 * j + right] = sums[0];
      product.sums[4 * j + 2 + right] = sums[1];
    }
  }
}

}  // namespace gan::sim

namespace gan::gpu {

struct WgmmaMatrix {
  const bf16* tile;
  int panel_bytes;
};

inline WgmmaMatrix wgmma_matrix(const bf16* tile, int panel_bytes = 16,
                                Where where = Where::here()) {
  sim::check_aligned(tile, 32, "wgmma's operand", where);
  return {tile, panel_bytes};
}

inline void wgmma_publish() {}
inline void wgmma_fence(Where where = Where::here()) {
  sim::warp_collective(sim::wgmma_op, kFullMask, nullptr, where);
}
inline void wgmma_commit() {
  sim::commit_products();
}
template <int Batches>
void wgmma_wait() {
  while (const sim::AsyncProduct* product = sim::finish_product(Batches))
    product->compute(*product);
}

template <int N, WgmmaOrder OrderA, WgmmaOrder OrderB>
void wgmma(float (&d)[N / 2], WgmmaMatrix a, WgmmaMatrix b, Where where = Where::here()) {
  static_assert(N == 64 || N == 128 || N == 256, "64, 128 or 256 columns");
  sim::warp_collective(sim::wgmma_op, kFullMask, nullptr, where);
  const int warp = static_cast<int>(sim::current->thread_index.x) / 32 % 4;
  const sim::AsyncProduct product{d,
                                  a.tile,
                                  b.tile,
                                  a.panel_bytes,
                                  b.panel_bytes,
                                  warp,
                                  lane_id(),
                                  &sim::compute_wgmma<N, OrderA, OrderB>};
  if (sim::start_product(product, where)) product.compute(product);
}

}  // namespace gan::gpu
