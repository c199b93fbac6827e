// wgmma against plain loops: both orders of both operands, every width, products one after another.
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "kernels/cuda/wgmma.h"
#include "tests/cuda/test_simulator.h"

namespace gan::gpu {
namespace {

constexpr int kTerms = 64, kRowsA = 128;  // two warpgroups

// Where element (row, k) of an operand with `rows` rows lies.
template <WgmmaOrder Order>
__device__ int place(int row, int k) {
  const int line = Order == WgmmaOrder::k_rows ? row : row / 64 * kTerms + k;
  const int across = Order == WgmmaOrder::k_rows ? k : row % 64;
  return line * 64 + (across / 8 ^ line % 8) * 8 + across % 8;
}

template <WgmmaOrder Order>
__device__ void fill(bf16* tile, const bf16* from, int rows) {
  for (int i = static_cast<int>(threadIdx.x); i < rows * kTerms; i += 256)
    tile[place<Order>(i / kTerms, i % kTerms)] = from[i];
}

// a: [128][64], b: [N][64], d: [128][N] = start + a x b^T, added up in two batches.
template <int N, WgmmaOrder OrderA, WgmmaOrder OrderB>
__global__ void wgmma_kernel(const bf16* a, const bf16* b, float start, float* d) {
  Smem sm;
  bf16* const tile_a = sm.take<bf16>(kRowsA * kTerms);
  bf16* const tile_b = sm.take<bf16>(N * kTerms);
  fill<OrderA>(tile_a, a, kRowsA);
  fill<OrderB>(tile_b, b, N);
  wgmma_publish();
  syncthreads();
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = lane_id();
  constexpr int kStepA = OrderA == WgmmaOrder::k_rows ? 1 : 64;
  constexpr int kStepB = OrderB == WgmmaOrder::k_rows ? 1 : 64;
  const bf16* const half = tile_a + warp / 4 * 64 * kTerms;
  float sums[N / 2];
  GAN_UNROLL
  for (int i = 0; i < N / 2; ++i) sums[i] = start;
  GAN_UNROLL
  for (int batch = 0; batch < 2; ++batch) {
    wgmma_fence();
    GAN_UNROLL
    for (int k = 32 * batch; k < 32 * batch + 32; k += 16)
      wgmma<N, OrderA, OrderB>(sums, wgmma_matrix(half + k * kStepA, 128 * kTerms),
                               wgmma_matrix(tile_b + k * kStepB, 128 * kTerms));
    wgmma_commit();
  }
  wgmma_wait<0>();
  GAN_UNROLL
  for (int i = 0; i < N / 2; ++i) {
    const int row = 16 * warp + lane / 4 + i % 4 / 2 * 8;
    d[row * N + i / 4 * 8 + lane % 4 * 2 + i % 2] = sums[i];
  }
}

template <int N, WgmmaOrder OrderA, WgmmaOrder OrderB>
void check_wgmma() {
  const std::vector<bf16> a = test_values<bf16>(kRowsA * kTerms, 1);
  const std::vector<bf16> b = test_values<bf16>(N * kTerms, 2);
  const DeviceArray<bf16> device_a(a), device_b(b);
  const DeviceArray<float> device_d(kRowsA * N);
  const size_t bytes = Smem::bytes<bf16>(kRowsA * kTerms) + Smem::bytes<bf16>(N * kTerms);
  constexpr float kStart = 0.25f;
  launch(wgmma_kernel<N, OrderA, OrderB>, 1, 256, bytes, Stream{}, device_a.data(), device_b.data(),
         kStart, device_d.data());
  const std::vector<float> d = device_d.read();
  double worst = 0;
  for (int i = 0; i < kRowsA; ++i) {
    for (int j = 0; j < N; ++j) {
      double expected = kStart;
      for (int k = 0; k < kTerms; ++k)
        expected += static_cast<double>(host_float(a[static_cast<size_t>(i * kTerms + k)])) *
                    static_cast<double>(host_float(b[static_cast<size_t>(j * kTerms + k)]));
      const double error =
          std::fabs(static_cast<double>(d[static_cast<size_t>(i * N + j)]) - expected);
      worst = error <= worst ? worst : error;  // NaN becomes the worst, too
    }
  }
  INFO("64 x " << N << ", orders " << static_cast<int>(OrderA) << static_cast<int>(OrderB));
  CHECK(worst <= 3e-5);
}

template <int N>
void check_orders() {
  constexpr auto kRows = WgmmaOrder::k_rows, mRows = WgmmaOrder::m_rows;
  check_wgmma<N, kRows, kRows>();
  check_wgmma<N, mRows, mRows>();
  check_wgmma<N, kRows, mRows>();
  check_wgmma<N, mRows, kRows>();
}

TEST_CASE("wgmma multiplies bf16 tiles in both orders", "[cuda][conformance]") {
  if (!has_wgmma()) {
    WARN("not a Hopper GPU, or not its code: nothing to check");
    return;
  }
  check_orders<64>();
  check_orders<128>();
  check_orders<256>();
}

}  // namespace
}  // namespace gan::gpu
