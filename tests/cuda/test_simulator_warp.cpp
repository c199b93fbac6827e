// The warp operations of gpu.h against what the CUDA guide says of them. Like the other conformance
// tests (tensor, memory, block) this runs in the simulator and, compiled by nvcc, on a GPU.
#include <catch2/catch.hpp>
#include <vector>

#include "tests/cuda/test_simulator.h"

namespace gan::gpu {
namespace {

enum class Move { idx, up, down, exclusive_or };

template <class T>
__global__ void shuffle_kernel(Move move, int argument, int width, const T* in, T* out) {
  const int thread = static_cast<int>(threadIdx.x);
  const T value = in[thread];
  if (move == Move::idx)
    out[thread] = shfl(value, argument, width);
  else if (move == Move::up)
    out[thread] = shfl_up(value, argument, width);
  else if (move == Move::down)
    out[thread] = shfl_down(value, argument, width);
  else
    out[thread] = shfl_xor(value, argument, width);
}

// The lane that `lane` reads; itself when the wanted one is outside its segment.
int source_lane(Move move, int lane, int argument, int width) {
  const int first = lane / width * width, last = first + width - 1;
  switch (move) {
    case Move::idx:
      return first + argument % width;
    case Move::up:
      return lane - argument < first ? lane : lane - argument;
    case Move::down:
      return lane + argument > last ? lane : lane + argument;
    default:
      return (lane ^ argument) > last ? lane : lane ^ argument;
  }
}

template <class T>
void check_shuffles() {
  constexpr int threads = 64;
  std::vector<T> values;
  for (int i = 0; i < threads; ++i) values.push_back(static_cast<T>(1000 + i));
  const DeviceArray<T> in(values), out(threads);
  for (const Move move : {Move::idx, Move::up, Move::down, Move::exclusive_or})
    for (const int width : {32, 16, 8, 1})
      for (const int argument : {0, 1, 5, 16}) {
        launch(shuffle_kernel<T>, 1, threads, 0, Stream{}, move, argument, width, in.data(),
               out.data());
        std::vector<T> expected;
        for (int i = 0; i < threads; ++i)
          expected.push_back(values[static_cast<size_t>(
              i / 32 * 32 + source_lane(move, i % 32, argument, width))]);
        INFO("move " << static_cast<int>(move) << " by " << argument << ", width " << width);
        REQUIRE(out.read() == expected);
      }
}

__global__ void vote_kernel(const int* in, unsigned* ballots, int* anys, int* alls) {
  const int thread = static_cast<int>(threadIdx.x);
  const bool predicate = in[thread] != 0;
  ballots[thread] = ballot(predicate);
  anys[thread] = any(predicate);
  alls[thread] = all(predicate);
}

// The lower lanes and the others vote and shuffle apart from each other.
__global__ void two_groups_kernel(unsigned* ballots, int* sums) {
  constexpr unsigned lower = 0x00000fffu;
  const int lane = lane_id();
  if (lane < 12) {
    ballots[lane] = ballot(lane % 2 == 0, lower);
    sums[lane] = shfl(lane * 10, 11 - lane, 32, lower);
  } else {
    ballots[lane] = ballot(lane % 3 == 0, ~lower);
    sums[lane] = shfl(lane * 10, 43 - lane, 32, ~lower);
  }
}

// Each lane hands its value to the next one through memory, many times.
__global__ void pass_on_kernel(int* out) {
  Smem sm;
  int* slots = sm.take<int>(32);
  const int lane = lane_id();
  int value = lane;
  for (int round = 0; round < 40; ++round) {
    slots[(lane + 1) % 32] = value;
    syncwarp();
    value = slots[lane];
    syncwarp();
  }
  out[lane] = value;
}

TEST_CASE("Shuffles move 4-byte values as documented", "[cuda][conformance]") {
  check_shuffles<int>();
  check_shuffles<float>();
}

TEST_CASE("Shuffles move 8-byte values as documented", "[cuda][conformance]") {
  check_shuffles<long long>();
  check_shuffles<double>();
}

TEST_CASE("Votes see every lane of the warp, also of one that is not full", "[cuda][conformance]") {
  for (const int threads : {64, 40}) {
    std::vector<int> votes(static_cast<size_t>(threads));
    for (int i = 0; i < threads; ++i) votes[static_cast<size_t>(i)] = i < 32 ? i % 5 == 0 : 1;
    const DeviceArray<int> in(votes), anys(threads), alls(threads);
    const DeviceArray<unsigned> ballots(threads);
    launch(vote_kernel, 1, threads, 0, Stream{}, in.data(), ballots.data(), anys.data(),
           alls.data());
    unsigned expected[2] = {0, 0};
    for (int i = 0; i < threads; ++i)
      if (votes[static_cast<size_t>(i)]) expected[i / 32] |= 1u << i % 32;
    for (int i = 0; i < threads; ++i) {
      CHECK(ballots.read()[static_cast<size_t>(i)] == expected[i / 32]);
      CHECK(anys.read()[static_cast<size_t>(i)] == 1);
      CHECK(alls.read()[static_cast<size_t>(i)] == i / 32);
    }
  }
}

TEST_CASE("Two parts of a warp can work apart under their own masks", "[cuda][conformance]") {
  const DeviceArray<unsigned> ballots(32);
  const DeviceArray<int> sums(32);
  launch(two_groups_kernel, 1, 32, 0, Stream{}, ballots.data(), sums.data());
  unsigned even = 0, thirds = 0;
  for (int i = 0; i < 32; ++i) {
    if (i < 12 && i % 2 == 0) even |= 1u << i;
    if (i >= 12 && i % 3 == 0) thirds |= 1u << i;
  }
  for (int i = 0; i < 32; ++i) {
    CHECK(ballots.read()[static_cast<size_t>(i)] == (i < 12 ? even : thirds));
    CHECK(sums.read()[static_cast<size_t>(i)] == 10 * (i < 12 ? 11 - i : 43 - i));
  }
}

TEST_CASE("syncwarp makes lanes see each other's writes", "[cuda][conformance]") {
  const DeviceArray<int> out(32);
  launch(pass_on_kernel, 1, 32, Smem::bytes<int>(32), Stream{}, out.data());
  for (int i = 0; i < 32; ++i) CHECK(out.read()[static_cast<size_t>(i)] == (i + 32 - 40 % 32) % 32);
}

}  // namespace
}  // namespace gan::gpu
