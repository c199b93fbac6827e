#include "kernels/cuda/sim/ready_queue.h"

#include <bit>
#include <utility>

namespace gan::sim {

void ReadyQueue::reset(Schedule schedule, Random& random, int threads) {
  schedule_ = schedule;
  random_ = &random;
  count_ = 0;
  oldest_ = 0;
  ready_ranks_ = 0;
  warps_ = (threads + kWarpSize - 1) / kWarpSize;
  for (int w = 0; w < warps_; ++w) {
    ready_lanes_[w] = 0;
    warp_at_rank_[w] = rank_of_warp_[w] = w;
  }
  for (int w = warps_ - 1; w > 0; --w) swap_ranks(w, random.below(w + 1));
  for (int t = 0; t < threads; ++t) push(t);
}

void ReadyQueue::push(int thread) {
  if (schedule_ == Schedule::priority)
    push_lanes(thread / kWarpSize, 1u << thread % kWarpSize);
  else
    slot(oldest_ + count_++) = thread;
}

void ReadyQueue::push_lanes(int warp, uint32_t lanes) {
  if (schedule_ == Schedule::priority) {
    ready_lanes_[warp] |= lanes;
    if (ready_lanes_[warp] != 0) ready_ranks_ |= 1u << rank_of_warp_[warp];
  } else {
    for (; lanes != 0; lanes &= lanes - 1)
      slot(oldest_ + count_++) = warp * kWarpSize + std::countr_zero(lanes);
  }
}

void ReadyQueue::push_behind(int thread) {
  if (schedule_ == Schedule::lifo) {
    slot(--oldest_) = thread;
    ++count_;
    return;
  }
  push(thread);
  if (schedule_ == Schedule::priority && random_->below(4) == 0) {
    swap_ranks(rank_of_warp_[thread / kWarpSize], random_->below(warps_));
    high_lanes_first_ = random_->coin();
  }
}

int ReadyQueue::pop() {
  if (schedule_ == Schedule::priority) return pop_by_priority();
  if (schedule_ == Schedule::lifo) return slot(oldest_ + --count_);
  if (schedule_ == Schedule::random)
    std::swap(slot(oldest_), slot(oldest_ + random_->below(count_)));
  --count_;
  return slot(oldest_++);
}

int ReadyQueue::pop_by_priority() {
  // Rare, so that a favoured warp gets far ahead of the others in between.
  constexpr int kPicksPerChange = 256;
  if (random_->below(kPicksPerChange) == 0) {
    swap_ranks(random_->below(warps_), random_->below(warps_));
    high_lanes_first_ = random_->coin();
  }
  const int rank = std::bit_width(ready_ranks_) - 1;
  const int warp = warp_at_rank_[rank];
  uint32_t& lanes = ready_lanes_[warp];
  const int lane = high_lanes_first_ ? std::bit_width(lanes) - 1 : std::countr_zero(lanes);
  lanes &= ~(1u << lane);
  if (lanes == 0) ready_ranks_ &= ~(1u << rank);
  return warp * kWarpSize + lane;
}

void ReadyQueue::swap_ranks(int a, int b) {
  std::swap(warp_at_rank_[a], warp_at_rank_[b]);
  for (const int rank : {a, b}) {
    const int warp = warp_at_rank_[rank];
    rank_of_warp_[warp] = rank;
    ready_ranks_ = (ready_ranks_ & ~(1u << rank)) | (ready_lanes_[warp] != 0 ? 1u << rank : 0u);
  }
}

}  // namespace gan::sim
