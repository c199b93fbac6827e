// The threads of a block that can run, and the policy that picks the next.
#pragma once

#include <cstdint>

#include "kernels/cuda/sim/simulator.h"

namespace gan::sim {

constexpr int kMaxBlockThreads = 1024;
constexpr int kWarpSize = 32;
constexpr int kMaxBlockWarps = kMaxBlockThreads / kWarpSize;

// SplitMix64: small, and any seed is a good one.
class Random {
 public:
  explicit Random(uint64_t seed = 0) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  int below(int limit) {
    return static_cast<int>((next() >> 32) * static_cast<uint64_t>(limit) >> 32);
  }
  bool coin() { return next() >> 63; }

 private:
  uint64_t state_;
};

class ReadyQueue {
 public:
  // All `threads` of a block are ready.
  void reset(Schedule schedule, Random& random, int threads);

  bool empty() const { return count_ == 0 && ready_ranks_ == 0; }
  void push(int thread);
  void push_lanes(int warp, uint32_t lanes);
  // A thread that could go on but lets all others run first, as far as the policy allows: spinning
  // threads must not starve the one they wait for.
  void push_behind(int thread);
  int pop();

 private:
  int& slot(unsigned position) { return ring_[position % kMaxBlockThreads]; }
  int pop_by_priority();
  void swap_ranks(int a, int b);

  Schedule schedule_ = Schedule::fifo;
  Random* random_ = nullptr;

  // fifo, lifo, random: the ready threads, oldest first.
  int count_ = 0;
  int ring_[kMaxBlockThreads];
  unsigned oldest_ = 0;

  // priority: ready lanes by warp, and ready warps by rank; the highest rank runs.
  uint32_t ready_lanes_[kMaxBlockWarps];
  uint32_t ready_ranks_ = 0;
  int warps_ = 0;
  int warp_at_rank_[kMaxBlockWarps];
  int rank_of_warp_[kMaxBlockWarps];
  bool high_lanes_first_ = false;
};

}  // namespace gan::sim
