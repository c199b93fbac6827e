// Each mistake that the simulator promises to refuse, made on purpose by a small kernel: the fault, its text, and the line it names,
// in every schedule.
#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "kernels/cuda/cluster.h"
#include "kernels/cuda/sim/simulator.h"
#include "tests/cuda/test_simulator.h"

namespace gan::gpu {
namespace {

using sim::Fault;
using sim::Schedule;

constexpr Schedule kSchedules[] = {Schedule::fifo, Schedule::lifo, Schedule::random,
                                   Schedule::priority};

void check_fault(Fault fault, const std::string& text, const std::function<void()>& launch_it) {
  for (const Schedule schedule : kSchedules) {
    INFO(sim::schedule_name(schedule));
    const sim::ScopedSettings scope({schedule, 7, 1});
    std::string message;
    try {
      launch_it();
    } catch (const sim::Error& error) {
      CHECK(error.fault() == fault);
      message = error.what();
    }
    CHECK_THAT(message, Catch::Contains(text));
    CHECK_THAT(message, Catch::Contains("test_simulator_faults.cpp:"));
    CHECK_THAT(message, Catch::Contains("gan::gpu::(anonymous namespace)::"));
  }
}

template <class... Params>
void check_fault(Fault fault, const std::string& text, void (*kernel)(Params...), int threads,
                 size_t smem, Params... arguments) {
  check_fault(fault, text, [&] { launch(kernel, 1, threads, smem, Stream{}, arguments...); });
}

// ---- Kernels with mistakes

__global__ void waits_for_the_grid() {
  sync_grid();
}

__global__ void some_blocks_wait_for_the_grid() {
  if (blockIdx.x > 0) sync_grid();
}

__global__ void waits_for_the_cluster() {
  sync_cluster();
}

__global__ void one_block_of_a_cluster_leaves() {
  if (blockIdx.x > 0) sync_cluster();
}

__global__ void asks_for_shared_memory(int rank, bool of_its_own) {
  Smem sm;
  int* const values = sm.take<int>(4);
  const int other = 0;
  sync_cluster();
  cluster_shared(of_its_own ? values : &other, rank);
  sync_cluster();
}

__global__ void reads_what_has_ended() {
  Smem sm;
  int* const values = sm.take<int>(4);
  sync_cluster();
  if (blockIdx.x > 0) return;
  // Until the other has gone: a barrier says when.
  for (int i = 0; i < 1000000; ++i) cluster_shared(values, 1);
}

__global__ void waits_without_arriving() {
  wait_for_cluster();
}

__global__ void arrives_at_its_cluster_twice() {
  arrive_at_cluster();
  arrive_at_cluster();
}

__global__ void arrives_and_leaves() {
  arrive_at_cluster();
}

__global__ void half_a_block_arrives() {
  if (threadIdx.x < 16) sync_cluster();
}

__global__ void arrive_in_branches() {
  if (threadIdx.x < 16)
    arrive_at_cluster();
  else
    arrive_at_cluster();
  wait_for_cluster();
}

__global__ void waits_for_too_many() {
  if (threadIdx.x < 32) barrier_sync(1, 64);
}

__global__ void barriers_in_branches() {
  if (threadIdx.x < 16)
    syncthreads();
  else
    syncthreads();
}

__global__ void barrier_after_return() {
  if (threadIdx.x >= 40) return;
  syncthreads();
}

__global__ void barrier_counts_differ() {
  if (threadIdx.x < 32)
    barrier_sync(2, 64);
  else
    barrier_sync(2, 96);
}

__global__ void part_of_a_warp_at_a_barrier() {
  if (threadIdx.x % 32 < 16) barrier_sync(1, 32);
}

__global__ void arrives_twice() {
  barrier_arrive(1, 64);
  barrier_arrive(1, 64);
}

__global__ void barrier_of_33() {
  barrier_sync(1, 33);
}

__global__ void lanes_in_different_operations() {
  if (threadIdx.x < 16)
    ballot(true);
  else
    shfl(1, 0);
}

__global__ void matrices_in_branches() {
  Smem sm;
  const float* rows = sm.take<float>(32);
  uint32_t r[1];
  if (threadIdx.x < 16)
    ldmatrix(r, rows);
  else
    ldmatrix(r, rows);
}

__global__ void lane_left_behind() {
  if (threadIdx.x == 5) return;
  syncwarp();
}

__global__ void caller_outside_its_mask() {
  syncwarp(1u);
}

__global__ void shuffle_from_outside_the_mask() {
  if (threadIdx.x < 8) shfl(1, 20, 32, 0xffu);
}

__global__ void shuffle_width_of_12() {
  shfl(1, 0, 12);
}

__global__ void matrix_of_half_a_warp() {
  Smem sm;
  const float* rows = sm.take<float>(32);
  uint32_t r[1];
  ldmatrix(r, rows);
}

__global__ void packet_off_by(int elements, const float* in) {
  load_packet(in + elements);
}
__global__ void store_off_by(int elements, float* out) {
  store_packet(out + elements, Packet<float>{});
}
__global__ void copy_to_odd_place(const float* in) {
  Smem sm;
  cp_async<16>(sm.take<float>(8) + 1, in);
}
__global__ void copy_from_odd_place(const float* in) {
  Smem sm;
  cp_async<8>(sm.take<float>(8), in + 1);
}
__global__ void copy_of_17_bytes(const float* in) {
  Smem sm;
  cp_async<16>(sm.take<float>(8), in, 17);
}
__global__ void matrix_row_off_by_4() {
  Smem sm;
  const float* rows = sm.take<float>(32);
  uint32_t r[1];
  ldmatrix(r, rows + 1);
}

template <bool Committed>
__global__ void copy_never_awaited(const float* in) {
  Smem sm;
  cp_async<4>(sm.take<float>(1), in);
  if constexpr (Committed) cp_async_commit();
}

__global__ void takes_too_much() {
  Smem sm;
  sm.take<float>(32);
  sm.take<float>(1);
}

__global__ void takes_differently() {
  Smem sm;
  sm.take<float>(threadIdx.x == 3 ? 2 : 1);
  syncthreads();
}

__global__ void writes_before_shared() {
  Smem sm;
  sm.take<float>(4)[-2] = 1;  // ends 5 bytes before, where its byte 0x3f is
}

__global__ void writes_past_device(float* out) {
  out[10] = 1;
}

// ---- The mistakes, found

TEST_CASE("A deadlock is reported with who waits where", "[cuda][simulator]") {
  check_fault(Fault::deadlock, "deadlock: barrier 1 at ", waits_for_too_many, 64, 0);
  check_fault(Fault::deadlock, "has 32 of 64 threads", waits_for_too_many, 64, 0);
  check_fault(Fault::deadlock, "has 16 of 32 threads", part_of_a_warp_at_a_barrier, 32, 0);
}

TEST_CASE("Barriers that threads do not share are refused", "[cuda][simulator]") {
  check_fault(Fault::divergent_barrier, "in different syncthreads", barriers_in_branches, 32, 0);
  check_fault(Fault::divergent_barrier, "return", barrier_after_return, 64, 0);
  check_fault(Fault::divergent_barrier, "barrier 2 is given", barrier_counts_differ, 96, 0);
  check_fault(Fault::divergent_barrier, "only some lanes of warp", part_of_a_warp_at_a_barrier, 64,
              0);
  check_fault(Fault::divergent_barrier, "again before it has opened", arrives_twice, 64, 0);
  check_fault(Fault::misuse, "barrier 1 for 33 threads", barrier_of_33, 64, 0);
}

TEST_CASE("Lanes that are not together in a warp operation are refused", "[cuda][simulator]") {
  check_fault(Fault::divergent_warp, "lanes of one warp are in different operations",
              lanes_in_different_operations, 32, 0);
  check_fault(Fault::divergent_warp, "lanes of one warp are in different operations",
              matrices_in_branches, 32, 128);
  check_fault(Fault::divergent_warp, "syncwarp", lane_left_behind, 32, 0);
  check_fault(Fault::divergent_warp, "leaves out its caller", caller_outside_its_mask, 32, 0);
  check_fault(Fault::divergent_warp, "reads from lane 20", shuffle_from_outside_the_mask, 32, 0);
  check_fault(Fault::divergent_warp, "ldmatrix needs a warp of 32 threads", matrix_of_half_a_warp,
              16, 128);
  check_fault(Fault::misuse, "width must be a power of two", shuffle_width_of_12, 32, 0);
}

TEST_CASE("Misaligned accesses are refused", "[cuda][simulator]") {
  const DeviceArray<float> memory(16);
  check_fault<int, const float*>(Fault::misaligned, "load_packet needs", packet_off_by, 1, 0, 1,
                                 memory.data());
  check_fault<int, float*>(Fault::misaligned, "store_packet needs", store_off_by, 1, 0, 2,
                           memory.data());
  check_fault<const float*>(Fault::misaligned, "cp.async's destination", copy_to_odd_place, 1, 128,
                            memory.data());
  check_fault<const float*>(Fault::misaligned, "cp.async's source", copy_from_odd_place, 1, 128,
                            memory.data());
  check_fault<const float*>(Fault::misuse, "cp.async of 17 of 16 bytes", copy_of_17_bytes, 1, 128,
                            memory.data());
  check_fault(Fault::misaligned, "ldmatrix needs", matrix_row_off_by_4, 32, 128);
}

TEST_CASE("A thread may not return before its copies are awaited", "[cuda][simulator]") {
  const DeviceArray<float> memory(1);
  check_fault<const float*>(Fault::copy_not_awaited, "1 cp.async copies never waited for",
                            copy_never_awaited<true>, 32, 128, memory.data());
  check_fault<const float*>(Fault::copy_not_awaited, "1 cp.async copies never waited for",
                            copy_never_awaited<false>, 32, 128, memory.data());
}

TEST_CASE("Blocks wait for each other only if all of them run, and come", "[cuda][simulator]") {
  check_fault(Fault::misuse, "whose blocks need not run together", waits_for_the_grid, 32, 0);
  check_fault(Fault::divergent_barrier, "a block waits in sync_grid for one that has ended",
              [] { launch_together(some_blocks_wait_for_the_grid, 3, 32, 0, Stream{}); });
  CHECK_THROWS_WITH(launch_together(waits_for_the_grid, 1000, 32, 0, Stream{}),
                    Catch::Contains("1000 blocks together"));
  CHECK_NOTHROW(launch_together(waits_for_the_grid, 3, 32, 0, Stream{}));
}

TEST_CASE("Blocks of a cluster must come, and must not end before others have read what they have",
          "[cuda][simulator]") {
  check_fault(Fault::misuse, "a cluster's barrier in a launch without clusters",
              waits_for_the_cluster, 32, 0);
  check_fault(Fault::misuse, "a cluster's barrier in a launch without clusters",
              [] { launch_together(waits_for_the_cluster, 2, 32, 0, Stream{}); });
  const auto clusters = [](auto kernel, auto... arguments) {
    launch_clusters(kernel, 4, 2, 32, Smem::bytes<int>(4), Stream{}, arguments...);
  };
  check_fault(Fault::misuse, "sync_grid in a launch", [&] { clusters(waits_for_the_grid); });
  check_fault(Fault::divergent_barrier, "a block waits in its cluster for one that has ended",
              [&] { clusters(one_block_of_a_cluster_leaves); });
  check_fault(Fault::misuse, "of block 2 of a cluster of 2",
              [&] { clusters(asks_for_shared_memory, 2, true); });
  check_fault(Fault::misuse, "an address outside of shared memory",
              [&] { clusters(asks_for_shared_memory, 1, false); });
  check_fault(Fault::shared_memory, "which has ended or not begun",
              [&] { clusters(reads_what_has_ended); });
  CHECK_NOTHROW(clusters(asks_for_shared_memory, 1, true));
  check_fault(Fault::misuse, "has not arrived there", [&] { clusters(waits_without_arriving); });
  check_fault(Fault::divergent_barrier, "again before it has waited",
              [&] { clusters(arrives_at_its_cluster_twice); });
  check_fault(Fault::divergent_barrier, "arrived at its cluster and not waited",
              [&] { clusters(arrives_and_leaves); });
  check_fault(Fault::divergent_barrier, "returned", [&] { clusters(half_a_block_arrives); });
  check_fault(Fault::divergent_barrier, "arrive at their cluster in different places",
              [&] { clusters(arrive_in_branches); });
}

TEST_CASE("Shared memory must fit the launch and be taken alike", "[cuda][simulator]") {
  check_fault(Fault::shared_memory, "takes 256 bytes of shared memory, its launch gave 128",
              takes_too_much, 32, 128);
  check_fault(Fault::shared_memory, "take shared memory differently", takes_differently, 32, 128);
}

TEST_CASE("Writes just outside an array are found after the block or launch",
          "[cuda][simulator][planted]") {
  check_fault(Fault::shared_memory,
              "wrote 5 bytes before the start of the shared array of 16 bytes",
              [] { launch(writes_before_shared, 1, 1, 128, Stream{}); });
  const DeviceArray<float> memory(8);
  CHECK_THROWS_WITH(
      launch(writes_past_device, 1, 1, 0, Stream{}, memory.data()),
      Catch::Contains("wrote 8 bytes past the end of a device allocation of 32 bytes"));
}

TEST_CASE("The next launch works after a failed one", "[cuda][simulator]") {
  for (int i = 0; i < 20; ++i) {
    CHECK_THROWS_AS(launch(barriers_in_branches, 4, 64, 0, Stream{}), sim::Error);
    CHECK_NOTHROW(launch(takes_too_much, 4, 64, 256, Stream{}));
  }
}

}  // namespace
}  // namespace gan::gpu
