#include "kernels/cuda/sim/multiprocessor.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "kernels/cuda/gpu.h"
#include "kernels/cuda/sim/guarded_memory.h"
#include "kernels/cuda/sim/sanitizer.h"

namespace gan::sim {

constinit thread_local ThreadView* current = nullptr;

namespace {

constexpr size_t kSharedMargin = 256;

// ThreadSanitizer allows 8128 live fibers, of which each OS thread needs one block for itself if it gets
// another. The others may be finished ones: a destroyed fiber takes its history, and so the report, with it.
size_t max_retired_fibers(int os_threads, bool last_block) {
  return static_cast<size_t>(
      std::max(0, kMaxFibers / os_threads - (last_block ? 0 : kMaxBlockThreads)));
}

// Every fiber releases it at its end and the launcher acquires it after the last block: not
// earlier, because blocks of one launch are not ordered.
char launch_end;

Fiber& current_fiber() {
  return static_cast<Fiber&>(*current);
}

bool same_place(Where a, Where b) {
  // Linkers merge equal strings nearly always, and comparing characters costs more than the whole
  // rendezvous.
  return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0);
}

Uint3 position(uint64_t index, Uint3 extent) {
  return {static_cast<unsigned>(index % extent.x),
          static_cast<unsigned>(index / extent.x % extent.y),
          static_cast<unsigned>(index / extent.x / extent.y)};
}

}  // namespace

// The first frame of every fiber.
void fiber_main() {
  Fiber& fiber = current_fiber();
  Multiprocessor& home = *fiber.home;
  const bool first = home.scheduler_stack_ == nullptr;
  sanitizer::finish_switch(nullptr, first ? &home.scheduler_stack_ : nullptr,
                           first ? &home.scheduler_stack_size_ : nullptr);
  try {
    home.launch_->invoke(home.launch_->arguments);
    home.finish(fiber);
  } catch (...) {
    home.error_ = std::current_exception();
  }
  // Only after an error. The other fibers are abandoned where they stand: kernels own nothing that
  // needs a destructor.
  sanitizer::release(&launch_end);
  home.switch_to(&fiber, nullptr, true);
  std::abort();
}

Multiprocessor::Multiprocessor()
    : fibers_(kMaxBlockThreads),
      copies_(new AsyncCopy[size_t{kMaxBlockThreads} * kCopyStride]),
      products_(new AsyncProduct[size_t{kMaxBlockThreads} * kMaxProducts]) {}

Multiprocessor::~Multiprocessor() = default;

void Team::enter(size_t rank, Multiprocessor* member) {
  const std::lock_guard lock(mutex_);
  members_[rank] = member;
}

void Team::leave(size_t rank) {
  const std::lock_guard lock(mutex_);
  members_[rank] = nullptr;
  ++left_;
  opened_.notify_all();
}

unsigned Team::arrive() {
  const std::lock_guard lock(mutex_);
  const unsigned ticket = generation_;
  if (++arrived_ == members_.size()) {
    arrived_ = 0;
    ++generation_;
    opened_.notify_all();
  }
  return ticket;
}

bool Team::wait(unsigned ticket) {
  std::unique_lock lock(mutex_);
  opened_.wait(lock, [&] { return generation_ != ticket || left_ > 0; });
  return generation_ != ticket;
}

void Multiprocessor::run_block(const Launch& launch, uint64_t block, const Settings& settings,
                               Team* team, size_t rank) {
  team_ = team;
  begin_block(launch, block, settings);
  if (team) team->enter(rank, this);
  Fiber& first = fibers_[ready_.pop()];
  switch_to(nullptr, &first, false);
  current = nullptr;
  if (team) team->leave(rank);
  if (error_)
    abandon_fibers();
  else
    check_margins();
  end_block();
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void Multiprocessor::begin_block(const Launch& launch, uint64_t block, const Settings& settings) {
  launch_ = &launch;
  settings_ = settings;
  random_ = Random(settings.seed * 0x100000001b3u + block);
  threads_ = static_cast<int>(launch.block.x * launch.block.y * launch.block.z);
  warps_ = (threads_ + kWarpSize - 1) / kWarpSize;
  returned_ = 0;
  shared_used_ = 0;
  shared_.reserve(kMostShared);
  scheduler_stack_ = nullptr;
  scheduler_tsan_fiber_ = sanitizer::current_fiber();
  stacks_.reserve(threads_);
  if (sanitizer::kThread) {
    stacks_.forget(threads_);
    // Freed and taken anew for each block, so that no block inherits another's ordering.
    const sanitizer::IgnoreScope ignore;
    sync_objects_ = new std::byte[sizeof(uint64_t) * 2 * (kBarriers + kMaxBlockWarps + 1)];
  }
  for (int w = 0; w < warps_; ++w) {
    const int lanes = std::min(threads_ - w * kWarpSize, kWarpSize);
    warp_[w].lanes = lanes == kWarpSize ? ~0u : (1u << lanes) - 1;
    warp_[w].returned = warp_[w].waiting = 0;
    warp_[w].sync_count = 0;
  }
  for (Barrier& barrier : barrier_) barrier = Barrier{};
  meetings_ = ClusterMeetings{};
  for (int t = 0; t < threads_; ++t) {
    Fiber& fiber = fibers_[t];
    fiber.thread_index = position(t, launch.block);
    fiber.block_index = position(block, launch.grid);
    fiber.block_size = launch.block;
    fiber.grid_size = launch.grid;
    fiber.lane = t % kWarpSize;
    fiber.home = this;
    fiber.number = t;
    fiber.where = Where{nullptr, 0};
    fiber.fenced = fiber.at_cluster = false;
    fiber.fake_stack = nullptr;
    fiber.tsan_fiber = sanitizer::create_fiber();
    fiber.copies = &copies_[size_t{kCopyStride} * t];
    fiber.first_copy = fiber.copy_count = fiber.open_group = 0;
    fiber.products = &products_[size_t{kMaxProducts} * t];
    fiber.first_product = fiber.product_count = fiber.open_batch = 0;
    prepare(fiber.context, stacks_.stack(t), FiberStacks::usable(t), fiber_main);
  }
  ready_.reset(settings.schedule, random_, threads_);
}

void Multiprocessor::end_block() {
  const sanitizer::IgnoreScope ignore;
  for (const SharedArray& array : shared_) free_guarded(array.memory, kSharedMargin);
  shared_.clear();
  if (sanitizer::kThread) {
    delete[] sync_objects_;
    for (int t = 0; t < threads_; ++t) {
      if (retired_tsan_fibers_.size() <
          max_retired_fibers(settings_.os_threads, launch_->company == Company::grid))
        retired_tsan_fibers_.push_back(fibers_[t].tsan_fiber);
      else
        sanitizer::destroy_fiber(fibers_[t].tsan_fiber);
    }
  }
}

void Multiprocessor::abandon_fibers() {
  stacks_.forget(threads_);
  if (!sanitizer::kThread) return;
  // What they did so far happened before the launch ends, although none of them will say so.
  for (int t = 0; t < threads_; ++t) {
    sanitizer::switch_fiber(fibers_[t].tsan_fiber);
    sanitizer::release(&launch_end);
  }
  sanitizer::switch_fiber(scheduler_tsan_fiber_);
  sanitizer::acquire(&launch_end);
}

void Multiprocessor::end_launch() {
  sanitizer::acquire(&launch_end);
  for (void* fiber : retired_tsan_fibers_) sanitizer::destroy_fiber(fiber);
  retired_tsan_fibers_.clear();
}

// ---- Switching

// A null fiber is the scheduler.
void Multiprocessor::switch_to(Fiber* from, Fiber* to, bool for_good) {
  current = to;
  sanitizer::switch_fiber(to ? to->tsan_fiber : scheduler_tsan_fiber_);
  if (for_good) sanitizer::abandon_stack();
  void** left = from ? &from->fake_stack : &scheduler_fake_stack_;
  sanitizer::start_switch(for_good ? nullptr : left,
                          to ? stacks_.stack(to->number) : scheduler_stack_,
                          to ? FiberStacks::usable(to->number) : scheduler_stack_size_);
  switch_context(from ? from->context : scheduler_, to ? to->context : scheduler_);
  sanitizer::finish_switch(*left, nullptr, nullptr);
}

void Multiprocessor::run_next(Fiber& fiber, bool for_good) {
  if (ready_.empty()) {
    if (returned_ == threads_) return switch_to(&fiber, nullptr, true);
    fail(fiber, Fault::deadlock, "deadlock: ", describe_waiting());
  }
  Fiber& next = fibers_[ready_.pop()];
  if (&next != &fiber) switch_to(&fiber, &next, for_good);
}

void Multiprocessor::yield(Fiber& fiber) {
  ready_.push_behind(fiber.number);
  run_next(fiber, false);
}

void Multiprocessor::finish(Fiber& fiber) {
  Warp& warp = warp_[fiber.number / kWarpSize];
  const uint32_t lane = 1u << fiber.lane;
  if (fiber.copy_count > 0)
    fail(fiber, Fault::copy_not_awaited, "a thread returned with ", fiber.copy_count,
         " cp.async copies never waited for");
  if (fiber.product_count > 0)
    fail(fiber, Fault::copy_not_awaited, "a thread returned with ", fiber.product_count,
         " wgmma products never waited for");
  for (uint32_t lanes = warp.waiting; lanes != 0; lanes &= lanes - 1) {
    const int other = std::countr_zero(lanes);
    if (warp.mask[other] & lane)
      fail(fiber, Fault::divergent_warp, "a lane returned while others of its warp wait for it in ",
           warp.op[other]->name, " ", warp.where[other]);
  }
  if (barrier_[0].arrived > 0)
    fail(fiber, Fault::divergent_barrier, "a thread returned while ", barrier_[0].arrived,
         " wait for it in syncthreads ", barrier_[0].where);
  if (fiber.at_cluster)
    fail(fiber, Fault::divergent_barrier,
         "a thread returned that has arrived at its cluster and not waited for it");
  if (meetings_.arrived > 0)
    fail(fiber, Fault::divergent_barrier, "a thread returned while ", meetings_.arrived,
         " have arrived at their cluster ", meetings_.where);
  warp.returned |= lane;
  ++returned_;
  sanitizer::release(&launch_end);
  run_next(fiber, true);
}

// ---- Rendezvous

void* Multiprocessor::barrier_sync_object(int id) const {
  // Two, in turn: a thread that is already at the next barrier must not pass its writes to one
  // still leaving this one.
  return sync_objects_ + sizeof(uint64_t) * (2 * id + barrier_[id].generation % 2);
}

void* Multiprocessor::warp_sync_object(const Warp& warp) const {
  return sync_objects_ +
         sizeof(uint64_t) * (2 * (kBarriers + (&warp - warp_)) + warp.sync_count % 2);
}

void* Multiprocessor::cluster_sync_object(unsigned meeting) const {
  return sync_objects_ + sizeof(uint64_t) * (2 * (kBarriers + kMaxBlockWarps) + meeting % 2);
}

void Multiprocessor::block_barrier(Fiber& fiber, int id, int threads, bool wait) {
  const bool whole_block = id == 0;
  if (whole_block) threads = threads_;
  if (id < 0 || id >= kBarriers || threads < 1 || threads > threads_ ||
      (!whole_block && threads % kWarpSize != 0))
    fail(fiber, Fault::misuse, "barrier ", id, " for ", threads,
         " threads; named barriers are 1..15, for a multiple of 32 threads of the block");
  Barrier& barrier = barrier_[id];
  const int warp = fiber.number / kWarpSize;
  const uint32_t lane = 1u << fiber.lane;
  if (whole_block && returned_ > 0)
    fail(fiber, Fault::divergent_barrier, "syncthreads after ", returned_,
         " threads have returned");
  if (barrier.arrived == 0) {
    barrier.expected = threads;
    barrier.where = fiber.where;
  } else if (whole_block && !same_place(barrier.where, fiber.where)) {
    fail(fiber, Fault::divergent_barrier,
         "threads of one block wait in different syncthreads; the other is ", barrier.where);
  } else if (barrier.expected != threads) {
    fail(fiber, Fault::divergent_barrier, "barrier ", id, " is given ", threads,
         " threads here and ", barrier.expected, " ", barrier.where);
  }
  if (barrier.arrived_lanes[warp] & lane)
    fail(fiber, Fault::divergent_barrier, "a thread arrives at barrier ", id,
         " again before it has opened");
  void* const sync = sanitizer::kThread ? barrier_sync_object(id) : nullptr;
  sanitizer::release(sync);
  barrier.arrived_lanes[warp] |= lane;
  if (wait) barrier.waiting_lanes[warp] |= lane;
  if (++barrier.arrived == threads) {
    for (int w = 0; w < warps_; ++w) {
      if (barrier.arrived_lanes[w] != 0 && barrier.arrived_lanes[w] != warp_[w].lanes)
        fail(fiber, Fault::divergent_barrier, "barrier ", id,
             " counts whole warps, but only some lanes of warp ", w, " arrived");
      ready_.push_lanes(w, barrier.waiting_lanes[w]);
      barrier.arrived_lanes[w] = barrier.waiting_lanes[w] = 0;
    }
    barrier.arrived = 0;
    ++barrier.generation;
  }
  if (wait) {
    run_next(fiber, false);
    sanitizer::acquire(sync);
  }
}

void Multiprocessor::warp_collective(Fiber& fiber, const WarpOp& op, uint32_t mask, void* payload) {
  Warp& warp = warp_[fiber.number / kWarpSize];
  const uint32_t lane = 1u << fiber.lane;
  mask &= warp.lanes;
  if (!(mask & lane))
    fail(fiber, Fault::divergent_warp, op.name, " with a mask that leaves out its caller");
  if (mask & warp.returned)
    fail(fiber, Fault::divergent_warp, op.name, " with lanes in its mask that have returned");
  if (const uint32_t others = warp.waiting & mask; others != 0) {
    const int other = std::countr_zero(others);
    const Where& there = warp.where[other];
    if (warp.op[other] != &op || warp.mask[other] != mask ||
        (op.aligned && !same_place(there, fiber.where)))
      fail(fiber, Fault::divergent_warp, "lanes of one warp are in different operations: ", op.name,
           " and ", warp.op[other]->name, " ", there,
           (warp.mask[other] != mask ? ", with different masks" : ""));
  }
  warp.op[fiber.lane] = &op;
  warp.mask[fiber.lane] = mask;
  warp.payload[fiber.lane] = payload;
  warp.where[fiber.lane] = fiber.where;
  warp.waiting |= lane;
  // Only syncwarp orders memory; a kernel that relies on a shuffle for that has a race, and
  // ThreadSanitizer says so.
  void* const sync = sanitizer::kThread && op.orders ? warp_sync_object(warp) : nullptr;
  if (sync) sanitizer::release(sync);
  if ((warp.waiting & mask) == mask) {
    if (op.combine) op.combine(warp.payload, mask);
    warp.waiting &= ~mask;
    if (op.orders) ++warp.sync_count;
    ready_.push_lanes(fiber.number / kWarpSize, mask & ~lane);
  } else {
    run_next(fiber, false);
  }
  if (sync) sanitizer::acquire(sync);
}

// All threads of the block are here, between two barriers; one waits, and with it their OS thread.
void Multiprocessor::grid_barrier(Fiber& fiber) {
  if (launch_->company != Company::grid)
    fail(fiber, Fault::misuse, "sync_grid in a launch whose blocks need not run together");
  if (fiber.number == 0 && !team_->wait(team_->arrive()))
    fail(fiber, Fault::divergent_barrier, "a block waits in sync_grid for one that has ended");
}

void Multiprocessor::arrive_at_cluster(Fiber& fiber) {
  if (launch_->company != Company::cluster)
    fail(fiber, Fault::misuse, "a cluster's barrier in a launch without clusters");
  if (fiber.at_cluster)
    fail(fiber, Fault::divergent_barrier,
         "a thread arrives at its cluster again before it has waited");
  if (returned_ > 0)
    fail(fiber, Fault::divergent_barrier, "a cluster's barrier after ", returned_,
         " threads have returned");
  if (meetings_.arrived > 0 && !same_place(meetings_.where, fiber.where))
    fail(fiber, Fault::divergent_barrier,
         "threads of one block arrive at their cluster in different places; the other is ",
         meetings_.where);
  meetings_.where = fiber.where;
  fiber.at_cluster = true;
  fiber.meeting = meetings_.complete;
  void* const sync = sanitizer::kThread ? cluster_sync_object(fiber.meeting) : nullptr;
  sanitizer::release(sync);
  if (++meetings_.arrived < threads_) return;
  sanitizer::acquire(sync);  // the others' writes, for the other blocks
  meetings_.arrived = 0;
  meetings_.ticket = team_->arrive();
  ++meetings_.complete;
  for (int w = 0; w < warps_; ++w)
    ready_.push_lanes(w, std::exchange(meetings_.waiting_lanes[w], 0));
}

void Multiprocessor::wait_for_cluster(Fiber& fiber) {
  if (!fiber.at_cluster)
    fail(fiber, Fault::misuse, "wait_for_cluster of a thread that has not arrived there");
  if (fiber.meeting == meetings_.complete) {
    meetings_.waiting_lanes[fiber.number / kWarpSize] |= 1u << fiber.lane;
    run_next(fiber, false);
  }
  fiber.at_cluster = false;
  sanitizer::acquire(sanitizer::kThread ? cluster_sync_object(fiber.meeting) : nullptr);
  if (!team_->wait(meetings_.ticket))
    fail(fiber, Fault::divergent_barrier, "a block waits in its cluster for one that has ended");
}

// ---- Shared memory

void* Multiprocessor::take_shared(Fiber& fiber, int index, size_t bytes) {
  const auto taken = static_cast<int>(shared_.size());
  if (index < taken) {
    if (shared_[index].bytes != bytes)
      fail(fiber, Fault::shared_memory, "threads take shared memory differently: array ", index,
           " has ", bytes, " bytes here and ", shared_[index].bytes, " ", shared_[index].where);
    return shared_[index].memory;
  }
  shared_used_ += gpu::shared_piece_bytes(bytes);
  if (shared_used_ > launch_->shared_bytes)
    fail(fiber, Fault::shared_memory, "the block takes ", shared_used_,
         " bytes of shared memory, its launch gave ", launch_->shared_bytes);
  if (shared_.size() == kMostShared)
    fail(fiber, Fault::shared_memory, "a block takes more than ", kMostShared, " shared arrays");
  const sanitizer::IgnoreScope ignore;
  shared_.push_back(
      {allocate_guarded(bytes, gpu::kSharedAlignment, kSharedMargin), bytes, fiber.where});
  return shared_.back().memory;
}

const void* Multiprocessor::cluster_shared(Fiber& fiber, const void* mine, int rank) {
  if (launch_->company != Company::cluster)
    fail(fiber, Fault::misuse, "cluster_shared in a launch without clusters");
  if (rank < 0 || static_cast<size_t>(rank) >= team_->size())
    fail(fiber, Fault::misuse, "cluster_shared of block ", rank, " of a cluster of ",
         team_->size());
  const void* theirs = nullptr;
  team_->look_at(static_cast<size_t>(rank), [&](const Multiprocessor* other) {
    if (!other)
      fail(fiber, Fault::shared_memory, "cluster_shared of block ", rank,
           ", which has ended or not begun: sync_cluster before, and after the last use");
    for (size_t i = 0; i < shared_.size(); ++i) {
      const ptrdiff_t offset = static_cast<const std::byte*>(mine) - shared_[i].memory;
      if (offset < 0 || offset >= static_cast<ptrdiff_t>(shared_[i].bytes)) continue;
      if (i >= other->shared_.size() || other->shared_[i].bytes != shared_[i].bytes)
        fail(fiber, Fault::shared_memory, "block ", rank, " of the cluster has no such array");
      theirs = other->shared_[i].memory + offset;
    }
  });
  if (!theirs) fail(fiber, Fault::misuse, "cluster_shared of an address outside of shared memory");
  return theirs;
}

void Multiprocessor::check_margins() {
  for (const SharedArray& array : shared_) {
    const std::string damage = margin_damage(array.memory, array.bytes, kSharedMargin);
    if (damage.empty()) continue;
    error_ = std::make_exception_ptr(
        Error(Fault::shared_memory,
              str("the block wrote ", damage, " of the shared array of ", array.bytes,
                  " bytes taken ", array.where, describe(fibers_[0]))));
    return;
  }
}

// ---- Asynchronous copies

bool Multiprocessor::start_copy(Fiber& fiber, AsyncCopy copy) {
  if (fiber.copy_count == kMaxCopies)
    fail(fiber, Fault::copy_not_awaited, "a thread has ", kMaxCopies, " cp.async copies under way");
  copy.landed = random_.coin();
  copy.group = fiber.open_group;
  fiber.copies[(fiber.first_copy + fiber.copy_count++) % kMaxCopies] = copy;
  return copy.landed;
}

const AsyncCopy* Multiprocessor::finish_copy(Fiber& fiber, int groups) {
  while (fiber.copy_count > 0) {
    const AsyncCopy& copy = fiber.copies[fiber.first_copy % kMaxCopies];
    // Copies of the open group have not been committed, so no wait covers them.
    if (copy.group + static_cast<uint32_t>(groups) >= fiber.open_group) return nullptr;
    ++fiber.first_copy;
    --fiber.copy_count;
    if (!copy.landed) return &copy;
  }
  return nullptr;
}

// ---- Asynchronous products

bool Multiprocessor::start_product(Fiber& fiber, AsyncProduct product) {
  if (fiber.product_count == kMaxProducts)
    fail(fiber, Fault::copy_not_awaited, "a thread has ", kMaxProducts, " products under way");
  // One lane's coin is its own: the warps of a warpgroup really finish apart. Of one lane later sums
  // need the earlier ones.
  const bool others_wait =
      fiber.product_count > 0 &&
      !fiber.products[(fiber.first_product + fiber.product_count - 1) % kMaxProducts].computed;
  product.computed = !others_wait && random_.coin();
  product.batch = fiber.open_batch;
  fiber.products[(fiber.first_product + fiber.product_count++) % kMaxProducts] = product;
  return product.computed;
}

const AsyncProduct* Multiprocessor::finish_product(Fiber& fiber, int batches) {
  while (fiber.product_count > 0) {
    const AsyncProduct& product = fiber.products[fiber.first_product % kMaxProducts];
    if (product.batch + static_cast<uint32_t>(batches) >= fiber.open_batch) return nullptr;
    ++fiber.first_product;
    --fiber.product_count;
    if (!product.computed) return &product;
  }
  return nullptr;
}

// ---- Errors

std::ostream& operator<<(std::ostream& out, Uint3 v) {
  return out << '(' << v.x << ',' << v.y << ',' << v.z << ')';
}

std::ostream& operator<<(std::ostream& out, const Where& where) {
  if (!where.file) return out << "at the kernel's start";
  return out << "at " << where.file << ':' << where.line;
}

std::string Multiprocessor::describe(const Fiber& fiber) const {
  return str(" [", function_name(launch_->kernel), ", block ", fiber.block_index, ", schedule ",
             schedule_name(settings_.schedule), ", seed ", settings_.seed, "]");
}

std::string Multiprocessor::describe_waiting() const {
  std::ostringstream text;
  for (int id = 0; id < kBarriers; ++id) {
    const Barrier& barrier = barrier_[id];
    if (barrier.arrived > 0)
      text << "barrier " << id << ' ' << barrier.where << " has " << barrier.arrived << " of "
           << barrier.expected << " threads; ";
  }
  if (meetings_.arrived > 0)
    text << "the cluster's barrier " << meetings_.where << " has " << meetings_.arrived << " of "
         << threads_ << " threads; ";
  constexpr int kMostWarps = 4;
  int described = 0;
  for (int w = 0; w < warps_ && described < kMostWarps; ++w) {
    const Warp& warp = warp_[w];
    if (warp.waiting == 0) continue;
    const int lane = std::countr_zero(warp.waiting);
    text << std::popcount(warp.waiting) << " of " << std::popcount(warp.mask[lane])
         << " lanes of warp " << w << " wait in " << warp.op[lane]->name << ' ' << warp.where[lane]
         << "; ";
    ++described;
  }
  text << returned_ << " of " << threads_ << " threads have returned";
  return text.str();
}

void Multiprocessor::stop(Fiber& fiber, Fault fault, const std::string& text) {
  throw Error(fault,
              str(text, ", ", fiber.where, ", thread ", fiber.thread_index, describe(fiber)));
}

}  // namespace gan::sim
