// The functions the shim calls, each passed on to the block that runs the current thread.
#include "kernels/cuda/sim/runtime.h"

#include <utility>

#include "kernels/cuda/gpu.h"
#include "kernels/cuda/sim/multiprocessor.h"

namespace gan::sim {

namespace {

Fiber& enter(Where where) {
  auto& fiber = static_cast<Fiber&>(*current);
  fiber.where = where;
  return fiber;
}

Fiber& enter() {
  return static_cast<Fiber&>(*current);
}

}  // namespace

void fail(Fault fault, const std::string& text) {
  Fiber& fiber = enter();
  fiber.home->fail(fiber, fault, text);
}

void fail(Fault fault, const std::string& text, Where where) {
  Fiber& fiber = enter(where);
  fiber.home->fail(fiber, fault, text);
}

void warp_collective(const WarpOp& op, uint32_t mask, void* payload, Where where) {
  Fiber& fiber = enter(where);
  fiber.home->warp_collective(fiber, op, mask, payload);
}

void block_barrier(int id, int threads, bool wait, Where where) {
  Fiber& fiber = enter(where);
  fiber.home->block_barrier(fiber, id, threads, wait);
}

void grid_barrier(Where where) {
  Fiber& fiber = enter(where);
  fiber.home->grid_barrier(fiber);
}

void arrive_at_cluster(Where where) {
  Fiber& fiber = enter(where);
  fiber.home->arrive_at_cluster(fiber);
}

void wait_for_cluster(Where where) {
  Fiber& fiber = enter(where);
  fiber.home->wait_for_cluster(fiber);
}

const void* cluster_shared(const void* mine, int rank, Where where) {
  Fiber& fiber = enter(where);
  return fiber.home->cluster_shared(fiber, mine, rank);
}

void* take_shared(int index, size_t bytes, Where where) {
  Fiber& fiber = enter(where);
  return fiber.home->take_shared(fiber, index, bytes);
}

bool atomic_point(Where where) {
  Fiber& fiber = enter(where);
  fiber.home->yield(fiber);
  return std::exchange(fiber.fenced, false);
}

void fence_point(Where where) {
  Fiber& fiber = enter(where);
  fiber.fenced = true;
  fiber.home->yield(fiber);
}

bool start_copy(void* to, const void* from, int bytes, int source_bytes, Where where) {
  Fiber& fiber = enter(where);
  return fiber.home->start_copy(fiber, AsyncCopy{to, from, static_cast<uint8_t>(bytes),
                                                 static_cast<uint8_t>(source_bytes), false, 0});
}

void commit_copies() {
  ++enter().open_group;
}

const AsyncCopy* finish_copy(int groups) {
  Fiber& fiber = enter();
  return fiber.home->finish_copy(fiber, groups);
}

bool start_product(const AsyncProduct& product, Where where) {
  Fiber& fiber = enter(where);
  return fiber.home->start_product(fiber, product);
}

void commit_products() {
  ++enter().open_batch;
}

const AsyncProduct* finish_product(int batches) {
  Fiber& fiber = enter();
  return fiber.home->finish_product(fiber, batches);
}

}  // namespace gan::sim
