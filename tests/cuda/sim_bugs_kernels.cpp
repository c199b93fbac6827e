#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/cuda/sim_bugs.h"
#include "tests/cuda/test_simulator.h"

namespace gan::gpu::bugs {

namespace {

// ---- Means of the columns of x[rows][columns]; the last block to finish adds up what the others
// left.

constexpr int kMeanThreads = 128;
constexpr int kMeanColumns = 32;
constexpr int kMeanWarps = kMeanThreads / 32;

template <Bug bug>
__global__ void __launch_bounds__(kMeanThreads)
    column_means(const float* __restrict__ x, int rows, float* partial, unsigned* ticket,
                 float* means) {
  Smem sm;
  float* warp_sums = sm.take<float>(kMeanWarps * kMeanColumns);
  unsigned* is_last = sm.take<unsigned>(1);
  float* exchange = sm.take<float>(kMeanThreads);
  const int thread = static_cast<int>(threadIdx.x), lane = lane_id(), warp = thread / 32;
  const int block = static_cast<int>(blockIdx.x), blocks = static_cast<int>(gridDim.x);

  float sum = 0;
  for (int r = block * kMeanWarps + warp; r < rows; r += blocks * kMeanWarps)
    sum += x[r * kMeanColumns + lane];
  // The columns change places through shared memory and back, only to need a warp-wide order.
  exchange[warp * 32 + (lane ^ 1)] = sum;
  if constexpr (bug != Bug::missing_syncwarp) syncwarp();
  sum = exchange[warp * 32 + lane];
  warp_sums[warp * kMeanColumns + (lane ^ 1)] = sum;
  if constexpr (bug == Bug::shared_write_past_end)
    warp_sums[(warp + 1) * kMeanColumns + (lane ^ 1)] = sum;
  if constexpr (bug != Bug::missing_barrier)
    syncthreads();  // every warp's sums, before they are added up

  if (thread < kMeanColumns) {
    float total = 0;
    constexpr int last = bug == Bug::shared_read_past_end ? kMeanWarps + 1 : kMeanWarps;
    for (int w = 0; w < last; ++w) total += warp_sums[w * kMeanColumns + thread];
    partial[block * kMeanColumns + thread] = total;
  }
  if constexpr (bug != Bug::missing_ticket_barrier)
    syncthreads();  // the block's partial sums, before the ticket
  if (thread == 0) {
    if constexpr (bug != Bug::missing_fence) threadfence();
    *is_last = atomic_add(ticket, 1) == gridDim.x - 1;
  }
  syncthreads();  // is_last
  if (*is_last && thread < kMeanColumns) {
    float total = 0;
    for (int b = 0; b < blocks; ++b) total += partial[b * kMeanColumns + thread];
    means[thread] = total / static_cast<float>(rows);
  }
}

template <Bug bug>
bool run_column_means() {
  constexpr int rows = 50, blocks = 3;
  std::vector<float> x(rows * kMeanColumns);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 37 % 101) / 64 - 0.5f;
  const DeviceArray<float> device_x(x), partial(blocks * kMeanColumns), means(kMeanColumns);
  const DeviceArray<unsigned> ticket(std::vector<unsigned>{0});
  const size_t smem = Smem::bytes<float>(kMeanWarps * kMeanColumns) + Smem::bytes<unsigned>(1) +
                      Smem::bytes<float>(kMeanThreads);
  launch(column_means<bug>, blocks, kMeanThreads, smem, Stream{}, device_x.data(), rows,
         partial.data(), ticket.data(), means.data());
  const std::vector<float> result = means.read();
  for (int c = 0; c < kMeanColumns; ++c) {
    float expected = 0;
    for (int r = 0; r < rows; ++r) expected += x[r * kMeanColumns + c];
    if (!(std::fabs(result[c] - expected / rows) < 1e-5f)) return false;
  }
  return true;
}

// ---- c[m][n] = a[m][k] x b[n][k]: 64 x 64 tiles, 32 deep, double buffered.

constexpr int kTileRows = 64, kTileColumns = 64, kTileDepth = 32;
constexpr int kProductThreads = 128;

// Where the 8 elements `chunk` of a row lie: spread so that ldmatrix meets no bank twice.
__device__ __forceinline__ int swizzled(int row, int chunk) {
  return row * kTileDepth + ((chunk ^ (row / 2 % 4)) * 8);
}

template <Bug bug>
__global__ void __launch_bounds__(kProductThreads)
    product_kernel(const bf16* __restrict__ a, const bf16* __restrict__ b, float* __restrict__ c,
                   int m, int n, int k) {
  Smem sm;
  bf16* a_tiles = sm.take<bf16>(2 * kTileRows * kTileDepth);
  bf16* b_tiles = sm.take<bf16>(2 * kTileColumns * kTileDepth);
  const int thread = static_cast<int>(threadIdx.x), lane = lane_id(), warp = thread / 32;
  const int warp_row = warp % 2 * 32, warp_column = warp / 2 * 32;
  const int row0 = static_cast<int>(blockIdx.x) * kTileRows,
            column0 = static_cast<int>(blockIdx.y) * kTileColumns;

  const auto fill = [&](int step) {
    bf16* a_tile = a_tiles + step % 2 * (kTileRows * kTileDepth);
    bf16* b_tile = b_tiles + step % 2 * (kTileColumns * kTileDepth);
    GAN_UNROLL
    for (int i = 0; i < kTileRows * kTileDepth / 8 / kProductThreads; ++i) {
      const int row = (thread + i * kProductThreads) / 4, chunk = thread % 4;
      const int depth = step * kTileDepth + chunk * 8;
      const bool a_inside = row0 + row < m && (bug == Bug::global_read_past_end || depth < k);
      const bool b_inside = column0 + row < n && depth < k;
      cp_async<16>(a_tile + swizzled(row, chunk), a + (a_inside ? row0 + row : 0) * k + depth,
                   a_inside ? 16 : 0);
      cp_async<16>(b_tile + swizzled(row, chunk), b + (b_inside ? column0 + row : 0) * k + depth,
                   b_inside ? 16 : 0);
    }
    cp_async_commit();
  };

  float sums[2][4][4] = {};
  const int steps = (k + kTileDepth - 1) / kTileDepth;
  fill(0);
  for (int step = 0; step < steps; ++step) {
    if (step + 1 < steps) {
      fill(step + 1);
      if constexpr (bug != Bug::missing_wait) cp_async_wait<1>();
    } else {
      cp_async_wait<0>();
    }
    syncthreads();  // every thread's copies of this step
    const bf16* a_tile = a_tiles + step % 2 * (kTileRows * kTileDepth);
    const bf16* b_tile = b_tiles + step % 2 * (kTileColumns * kTileDepth);
    GAN_UNROLL
    for (int part = 0; part < kTileDepth / 16; ++part) {
      uint32_t a_part[2][4], b_part[2][4];
      GAN_UNROLL
      for (int i = 0; i < 2; ++i)
        ldmatrix(a_part[i], a_tile + swizzled(warp_row + i * 16 + lane % 16, part * 2 + lane / 16));
      GAN_UNROLL
      for (int j = 0; j < 2; ++j)
        ldmatrix(b_part[j], b_tile + swizzled(warp_column + j * 16 + lane % 8 + lane / 16 * 8,
                                              part * 2 + lane / 8 % 2));
      GAN_UNROLL
      for (int i = 0; i < 2; ++i) GAN_UNROLL
      for (int j = 0; j < 4; ++j)
        mma_bf16(sums[i][j], a_part[i], b_part[j / 2][j % 2 * 2], b_part[j / 2][j % 2 * 2 + 1]);
    }
    if constexpr (bug != Bug::missing_trailing_barrier)
      syncthreads();  // all reads, before the next fill of this half
  }
  GAN_UNROLL
  for (int i = 0; i < 2; ++i) GAN_UNROLL
  for (int j = 0; j < 4; ++j) GAN_UNROLL
  for (int e = 0; e < 4; ++e) {
    const int row = row0 + warp_row + i * 16 + lane / 4 + e / 2 * 8;
    const int column = column0 + warp_column + j * 8 + lane % 4 * 2 + e % 2;
    if (row < m && column < n) c[row * n + column] = sums[i][j][e];
  }
}

template <Bug bug>
void launch_product(const bf16* a, const bf16* b, float* c, int m, int n, int k, Stream stream) {
  const Dim3 grid((m + kTileRows - 1) / kTileRows, (n + kTileColumns - 1) / kTileColumns);
  const size_t smem = Smem::bytes<bf16>(2 * kTileRows * kTileDepth) +
                      Smem::bytes<bf16>(2 * kTileColumns * kTileDepth);
  launch(product_kernel<bug>, grid, kProductThreads, smem, stream, a, b, c, m, n, k);
}

template <Bug bug>
bool run_matrix_product() {
  constexpr int m = 70, n = 64, k = 104;
  const std::vector<bf16> a = test_values<bf16>(m * k, 1), b = test_values<bf16>(n * k, 2);
  const DeviceArray<bf16> device_a(a), device_b(b);
  const DeviceArray<float> device_c(m * n);
  launch_product<bug>(device_a.data(), device_b.data(), device_c.data(), m, n, k, Stream{});
  const std::vector<float> c = device_c.read();
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      float expected = 0;
      for (int l = 0; l < k; ++l) expected += host_float(a[i * k + l]) * host_float(b[j * k + l]);
      if (!(std::fabs(c[i * n + j] - expected) < 1e-4f * k)) return false;
    }
  return true;
}

}  // namespace

bool column_means_right(Bug bug) {
  switch (bug) {
    case Bug::missing_barrier:
      return run_column_means<Bug::missing_barrier>();
    case Bug::missing_ticket_barrier:
      return run_column_means<Bug::missing_ticket_barrier>();
    case Bug::missing_fence:
      return run_column_means<Bug::missing_fence>();
    case Bug::shared_read_past_end:
      return run_column_means<Bug::shared_read_past_end>();
    case Bug::shared_write_past_end:
      return run_column_means<Bug::shared_write_past_end>();
    case Bug::missing_syncwarp:
      return run_column_means<Bug::missing_syncwarp>();
    default:
      return run_column_means<Bug::none>();
  }
}

bool matrix_product_right(Bug bug) {
  switch (bug) {
    case Bug::missing_wait:
      return run_matrix_product<Bug::missing_wait>();
    case Bug::missing_trailing_barrier:
      return run_matrix_product<Bug::missing_trailing_barrier>();
    case Bug::global_read_past_end:
      return run_matrix_product<Bug::global_read_past_end>();
    default:
      return run_matrix_product<Bug::none>();
  }
}

const std::vector<Named>& all_bugs() {
  static const std::vector<Named> bugs = {
      {"no_bug_in_column_means", Bug::none, column_means_right},
      {"no_bug_in_matrix_product", Bug::none, matrix_product_right},
      {"missing_barrier", Bug::missing_barrier, column_means_right},
      {"missing_ticket_barrier", Bug::missing_ticket_barrier, column_means_right},
      {"missing_fence", Bug::missing_fence, column_means_right},
      {"shared_read_past_end", Bug::shared_read_past_end, column_means_right},
      {"shared_write_past_end", Bug::shared_write_past_end, column_means_right},
      {"missing_syncwarp", Bug::missing_syncwarp, column_means_right},
      {"missing_wait", Bug::missing_wait, matrix_product_right},
      {"missing_trailing_barrier", Bug::missing_trailing_barrier, matrix_product_right},
      {"global_read_past_end", Bug::global_read_past_end, matrix_product_right},
  };
  return bugs;
}

void matrix_product(const bf16* a, const bf16* b, float* c, int m, int n, int k, Stream stream) {
  launch_product<Bug::none>(a, b, c, m, n, k, stream);
}

}  // namespace gan::gpu::bugs
