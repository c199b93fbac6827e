// Runs the threads of one block at a time, each as a fiber, on the OS thread that calls
// run_block().
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <ostream>
#include <string>
#include <vector>

#include "engine/error.h"
#include "kernels/cuda/sim/context.h"
#include "kernels/cuda/sim/ready_queue.h"
#include "kernels/cuda/sim/runtime.h"

namespace gan::sim {

class Multiprocessor;

// A fiber never moves to another OS thread, because compilers keep addresses of thread-local
// variables.
struct alignas(64) Fiber : ThreadView {
  Multiprocessor* home;
  int number;
  Where where;       // of the latest call into the runtime
  bool fenced;       // a threadfence since the last atomic
  bool at_cluster;   // has arrived there and not yet waited
  unsigned meeting;  // for which it has arrived
  Context context;
  void* fake_stack;  // AddressSanitizer's
  void* tsan_fiber;  // ThreadSanitizer's
  // A ring of copies not yet waited for, oldest first.
  AsyncCopy* copies;
  uint32_t first_copy, copy_count, open_group;
  // The same of products.
  AsyncProduct* products;
  uint32_t first_product, product_count, open_batch;
};

// Lanes that wait in a collective, and what each brought.
struct Warp {
  uint32_t lanes;  // that exist
  uint32_t returned;
  uint32_t waiting;
  const WarpOp* op[kWarpSize];
  uint32_t mask[kWarpSize];
  void* payload[kWarpSize];
  Where where[kWarpSize];
  unsigned sync_count;
};

struct Barrier {
  int expected, arrived;
  Where where;
  uint32_t arrived_lanes[kMaxBlockWarps];
  uint32_t waiting_lanes[kMaxBlockWarps];
  unsigned generation;
};

// A block's threads that come to their cluster. As each has to wait before it comes again, none is two meetings ahead
// of another.
struct ClusterMeetings {
  unsigned complete;  // to which all threads of the block have come
  unsigned ticket;    // of the latest of these, Team::arrive()'s
  int arrived;        // at the next one
  Where where;        // there
  uint32_t waiting_lanes[kMaxBlockWarps];
};

// Blocks that run at once, each on its OS thread, wait for each other and look at each other's shared memory.
class Team {
 public:
  explicit Team(size_t blocks) : members_(blocks) {}
  void enter(size_t rank, Multiprocessor* member);
  // Before its shared memory is given back.
  void leave(size_t rank);
  // One block has come; wait() with what it returned waits for the others, and is false when one of them has ended
  // before it came.
  unsigned arrive();
  bool wait(unsigned ticket);
  size_t size() const { return members_.size(); }
  // Calls look(member) while it cannot leave; null before it has begun and after it has left.
  template <class Look>
  void look_at(size_t rank, Look&& look) {
    const std::lock_guard lock(mutex_);
    look(static_cast<const Multiprocessor*>(members_[rank]));
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  std::vector<Multiprocessor*> members_;
  size_t arrived_ = 0, left_ = 0;
  unsigned generation_ = 0;
};

class Multiprocessor {
 public:
  Multiprocessor();
  ~Multiprocessor();
  Multiprocessor(const Multiprocessor&) = delete;
  Multiprocessor& operator=(const Multiprocessor&) = delete;

  // `team` is null where blocks run one by one.
  void run_block(const Launch& launch, uint64_t block, const Settings& settings,
                 Team* team = nullptr, size_t rank = 0);
  // All blocks of the launch that ran here become visible to the launcher.
  void end_launch();

  void warp_collective(Fiber& fiber, const WarpOp& op, uint32_t mask, void* payload);
  void block_barrier(Fiber& fiber, int id, int threads, bool wait);
  void grid_barrier(Fiber& fiber);
  void arrive_at_cluster(Fiber& fiber);
  void wait_for_cluster(Fiber& fiber);
  const void* cluster_shared(Fiber& fiber, const void* mine, int rank);
  void* take_shared(Fiber& fiber, int index, size_t bytes);
  void yield(Fiber& fiber);
  bool start_copy(Fiber& fiber, AsyncCopy copy);
  const AsyncCopy* finish_copy(Fiber& fiber, int groups);
  bool start_product(Fiber& fiber, AsyncProduct product);
  const AsyncProduct* finish_product(Fiber& fiber, int batches);

  // Throws, which ends the fiber and with it the launch; the parts make the message.
  template <class... Parts>
  [[noreturn]] void fail(Fiber& fiber, Fault fault, const Parts&... parts) {
    stop(fiber, fault, str(parts...));
  }

 private:
  struct SharedArray {
    std::byte* memory;
    size_t bytes;
    Where where;
  };
  // Arrays without a move, as other blocks of a cluster may be looking at the list.
  static constexpr size_t kMostShared = 64;
  static constexpr int kMaxCopies = 256;
  // Not a power of two, so that the first copies of different fibers lie in different cache sets.
  static constexpr int kCopyStride = kMaxCopies + 2;
  static constexpr int kMaxProducts = 16;
  friend void fiber_main();

  [[noreturn]] void stop(Fiber& fiber, Fault fault, const std::string& text);
  void begin_block(const Launch& launch, uint64_t block, const Settings& settings);
  void end_block();
  void abandon_fibers();
  void finish(Fiber& fiber);
  void run_next(Fiber& fiber, bool for_good);
  void switch_to(Fiber* from, Fiber* to, bool for_good);
  void check_margins();
  std::string describe(const Fiber& fiber) const;
  std::string describe_waiting() const;
  void* barrier_sync_object(int id) const;
  void* warp_sync_object(const Warp& warp) const;
  void* cluster_sync_object(unsigned meeting) const;

  const Launch* launch_ = nullptr;
  Team* team_ = nullptr;
  Settings settings_;
  Random random_;
  ReadyQueue ready_;
  int threads_ = 0, warps_ = 0, returned_ = 0;
  std::vector<Fiber> fibers_;
  std::unique_ptr<AsyncCopy[]> copies_;
  std::unique_ptr<AsyncProduct[]> products_;
  Warp warp_[kMaxBlockWarps];
  static constexpr int kBarriers = 16;
  Barrier barrier_[kBarriers];
  ClusterMeetings meetings_;
  std::vector<SharedArray> shared_;
  size_t shared_used_ = 0;
  std::exception_ptr error_;

  FiberStacks stacks_;
  Context scheduler_;
  void* scheduler_fake_stack_ = nullptr;
  const void* scheduler_stack_ = nullptr;
  size_t scheduler_stack_size_ = 0;
  void* scheduler_tsan_fiber_ = nullptr;
  std::byte* sync_objects_ = nullptr;
  std::vector<void*> retired_tsan_fibers_;
};

// For messages: "at file:line" and "(x,y,z)".
std::ostream& operator<<(std::ostream& out, const Where& where);
std::ostream& operator<<(std::ostream& out, Uint3 v);

// The demangled name of the function at `address`, or the address itself when there is no symbol.
std::string function_name(const void* address);

}  // namespace gan::sim
