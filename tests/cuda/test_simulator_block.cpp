// Indices, shared memory, barriers and the launch itself.
#include <catch2/catch.hpp>
#include <vector>

#include "kernels/cuda/cluster.h"
#include "tests/cuda/test_simulator.h"

namespace gan::gpu {
namespace {

__global__ void index_kernel(int* out) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] =
      static_cast<int>(block * 1000 + thread) +
      (static_cast<int>(thread % 32) == lane_id() ? 0 : 1000000);
}

// Each thread's value goes once around the block, one step per barrier.
__global__ void rotate_kernel(int* out) {
  Smem sm;
  int* values = sm.take<int>(static_cast<int>(blockDim.x));
  double* scratch = sm.take<double>(3);
  const int threads = static_cast<int>(blockDim.x), thread = static_cast<int>(threadIdx.x);
  if (thread < 3) scratch[thread] = thread;
  int value = thread;
  for (int round = 0; round < threads; ++round) {
    values[(thread + 1) % threads] = value;
    syncthreads();
    value = values[thread];
    syncthreads();
  }
  out[blockIdx.x * blockDim.x + threadIdx.x] = value + static_cast<int>(scratch[thread % 3]);
}

// Each block's value goes once around the grid, one step for each time that all blocks have met.
__global__ void rotate_blocks_kernel(int* values, int* out) {
  const int blocks = static_cast<int>(gridDim.x), block = static_cast<int>(blockIdx.x);
  const int next = (block + 1) % blocks, threads = static_cast<int>(blockDim.x);
  const int thread = static_cast<int>(threadIdx.x);
  int value = block * threads + thread;
  for (int round = 0; round < blocks; ++round) {
    values[next * threads + thread] = value;
    sync_grid();
    value = values[block * threads + thread];
    sync_grid();
  }
  out[block * threads + thread] = value;
}

// The same around each cluster of blocks, through their shared memory.
__global__ void rotate_in_clusters_kernel(int cluster, int* out) {
  const int block = static_cast<int>(blockIdx.y * gridDim.x + blockIdx.x);
  const int threads = static_cast<int>(blockDim.x), thread = static_cast<int>(threadIdx.x);
  const int rank = static_cast<int>(blockIdx.y) % cluster, before = (rank + cluster - 1) % cluster;
  Smem sm;
  sm.take<int>(5);
  int* const values = sm.take<int>(threads);
  int value = block * threads + thread;
  for (int round = 0; round < cluster; ++round) {
    values[thread] = value;
    sync_cluster();
    value = cluster_shared(values, before)[thread];
    sync_cluster();
  }
  // A whole turn, and one step more without a copy, in two parts: threads of one block may be on both
  // sides.
  values[thread] = value;
  arrive_at_cluster();
  const int place = block * threads + thread;
  wait_for_cluster();
  out[place] = *cluster_shared(values + thread, before);
  arrive_at_cluster();
  out[place] += 1;
  wait_for_cluster();
}

// The first 64 threads make numbers, the others use them: two buffers, one barrier each for full
// and for free.
__global__ void pipeline_kernel(int rounds, int* sums) {
  constexpr int half = 64, both = 2 * half, full = 1, free = 3;
  Smem sm;
  int* buffers = sm.take<int>(2 * half);
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < half) {
    for (int round = 0; round < rounds; ++round) {
      if (round >= 2) barrier_sync(free + round % 2, both);
      buffers[round % 2 * half + thread] = round * thread;
      barrier_arrive(full + round % 2, both);
    }
  } else {
    int sum = 0;
    for (int round = 0; round < rounds; ++round) {
      barrier_sync(full + round % 2, both);
      sum += buffers[round % 2 * half + (both - 1 - thread)];
      if (round + 2 < rounds) barrier_arrive(free + round % 2, both);
    }
    sums[thread - half] = sum;
  }
}

// The two halves of the block meet apart from each other, a different number of times.
__global__ void halves_kernel(int* out) {
  Smem sm;
  int* values = sm.take<int>(128);
  const int thread = static_cast<int>(threadIdx.x), half = thread / 64, first = half * 64;
  int value = thread;
  for (int round = 0; round < 3 + 4 * half; ++round) {
    values[first + (thread + 1) % 64] = value;
    barrier_sync(5 + half, 64);
    value = values[thread];
    barrier_sync(5 + half, 64);
  }
  out[thread] = value;
}

__global__ void argument_kernel(int small, float real, const float* pointer, float* out) {
  *out = static_cast<float>(small) + real + *pointer;
}

TEST_CASE("Blocks and threads know their places in three dimensions", "[cuda][conformance]") {
  const DeviceArray<int> out(2 * 3 * 2 * 40);
  launch(index_kernel, Dim3(2, 3, 2), Dim3(5, 2, 4), 0, Stream{}, out.data());
  for (int block = 0; block < 12; ++block)
    for (int thread = 0; thread < 40; ++thread)
      REQUIRE(out.read()[static_cast<size_t>(block * 40 + thread)] == block * 1000 + thread);
}

TEST_CASE("syncthreads orders shared memory for blocks of any size", "[cuda][conformance]") {
  for (const int threads : {3, 32, 70, 256}) {
    const DeviceArray<int> out(2 * threads);
    launch(rotate_kernel, 2, threads,
           Smem::bytes<int>(static_cast<size_t>(threads)) + Smem::bytes<double>(3), Stream{},
           out.data());
    for (int i = 0; i < 2 * threads; ++i)
      REQUIRE(out.read()[static_cast<size_t>(i)] == i % threads + i % threads % 3);
  }
}

TEST_CASE("Named barriers connect producers and consumers", "[cuda][conformance]") {
  constexpr int rounds = 6;
  const DeviceArray<int> sums(64);
  launch(pipeline_kernel, 1, 128, Smem::bytes<int>(128), Stream{}, rounds, sums.data());
  for (int i = 0; i < 64; ++i)
    CHECK(sums.read()[static_cast<size_t>(i)] == (63 - i) * (rounds * (rounds - 1) / 2));
}

TEST_CASE("Named barriers of different groups are independent", "[cuda][conformance]") {
  const DeviceArray<int> out(128);
  launch(halves_kernel, 1, 128, Smem::bytes<int>(128), Stream{}, out.data());
  for (int i = 0; i < 128; ++i) {
    const int steps = i < 64 ? 3 : 7;
    CHECK(out.read()[static_cast<size_t>(i)] == i / 64 * 64 + (i % 64 + 64 - steps) % 64);
  }
}

TEST_CASE("Blocks that run together can wait for each other", "[cuda][conformance]") {
  constexpr int kThreads = 96, kBlocks = 5;
  REQUIRE(blocks_together(rotate_blocks_kernel, kThreads, 0) >= kBlocks);
  CHECK(most_shared_bytes() >= 99 * 1024);
  const DeviceArray<int> values(kThreads * kBlocks), out(kThreads * kBlocks);
  launch_together(rotate_blocks_kernel, kBlocks, kThreads, 0, Stream{}, values.data(), out.data());
  for (int i = 0; i < kThreads * kBlocks; ++i) CHECK(out.read()[static_cast<size_t>(i)] == i);
}

TEST_CASE("Blocks of a cluster wait for each other and read each other's shared memory",
          "[cuda][conformance]") {
  if (!has_clusters()) return;
  constexpr int kThreads = 64, kAcross = 2, kDown = 6;
  for (const int cluster : {1, 2, 3, 6}) {
    const DeviceArray<int> out(kThreads * kAcross * kDown);
    const size_t bytes = Smem::bytes<int>(5) + Smem::bytes<int>(kThreads);
    CHECK(clusters_together(rotate_in_clusters_kernel, Dim3(1, cluster), kThreads, bytes) >= 1);
    launch_clusters(rotate_in_clusters_kernel, Dim3(kAcross, kDown), Dim3(1, cluster), kThreads,
                    bytes, Stream{}, cluster, out.data());
    for (int i = 0; i < kThreads * kAcross * kDown; ++i) {
      const int block = i / kThreads, x = block % kAcross, y = block / kAcross;
      const int before = y / cluster * cluster + (y % cluster + cluster - 1) % cluster;
      CAPTURE(cluster, i);
      CHECK(out.read()[static_cast<size_t>(i)] ==
            (before * kAcross + x) * kThreads + i % kThreads + 1);
    }
  }
  const auto with = [](Dim3 grid, Dim3 cluster) {
    launch_clusters(rotate_in_clusters_kernel, grid, cluster, 32, 1024, Stream{}, 1,
                    static_cast<int*>(nullptr));
  };
  CHECK_THROWS_WITH(with(Dim3(2, 6), Dim3(1, 4)), Catch::Contains("they divide it"));
  CHECK_THROWS_WITH(with(Dim3(3, 3), Dim3(3, 3)), Catch::Contains("at most 8 blocks"));
}

TEST_CASE("Launch arguments convert to the parameters' types and must keep their values",
          "[cuda][conformance]") {
  const DeviceArray<float> in(std::vector<float>{0.5f}), out(1);
  launch(argument_kernel, 1, 1, 0, Stream{}, size_t{3}, 2, in.data(), out.data());
  CHECK(out.read()[0] == 5.5f);
  CHECK_THROWS_WITH(
      launch(argument_kernel, 1, 1, 0, Stream{}, size_t{1} << 32, 2, in.data(), out.data()),
      Catch::Contains("4294967296 does not fit"));
}

TEST_CASE("A launch outside the device's limits is refused and says so", "[cuda][conformance]") {
  const DeviceArray<int> out(1);
  const auto with = [&](Dim3 grid, Dim3 block, size_t smem) {
    launch(index_kernel, grid, block, smem, Stream{}, out.data());
  };
  CHECK_THROWS_WITH(with(0, 32, 0), Catch::Contains("grid of 0 x 1 x 1"));
  CHECK_THROWS_WITH(with(Dim3(1, 70000), 32, 0), Catch::Contains("grid of 1 x 70000 x 1"));
  CHECK_THROWS_WITH(with(int64_t{1} << 32, 32, 0), Catch::Contains("grid of 4294967296"));
  CHECK_THROWS_WITH(with(1, 0, 0), Catch::Contains("block of 0 x 1 x 1"));
  CHECK_THROWS_WITH(with(1, Dim3(64, 32), 0), Catch::Contains("block of 64 x 32 x 1"));
  CHECK_THROWS_WITH(with(1, Dim3(1, 1, 65), 0), Catch::Contains("block of 1 x 1 x 65"));
  CHECK_THROWS_WITH(with(1, 32, 227 * 1024 + 1), Catch::Contains("232449 bytes of shared memory"));
}

}  // namespace
}  // namespace gan::gpu
