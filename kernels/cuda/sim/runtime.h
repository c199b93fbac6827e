// The seam between the shim (inline, compiled and instrumented with each kernel) and the runtime
// (compiled once, never instrumented by ThreadSanitizer). The shim touches the kernel's memory, the
// runtime only its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "kernels/cuda/sim/simulator.h"

struct CUstream_st;

namespace gan::sim {

// The line of kernel source that made a call; std::source_location would need a newer clang.
struct Where {
  const char* file;
  int line;
  static constexpr Where here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }
};

struct Uint3 {
  unsigned x, y, z;
};

// The part of a simulated thread that kernels look at.
struct ThreadView {
  Uint3 thread_index, block_index, block_size, grid_size;
  int lane;
};

// The simulated thread that this OS thread is running, null outside kernels. constinit spares each
// access an initialisation check.
extern constinit thread_local ThreadView* current;

// Which blocks run at once and may wait for each other.
enum class Company : uint8_t { none, cluster, grid };

// One launch: `invoke(arguments)` runs the kernel body for the current thread.
struct Launch {
  const void* kernel;
  Uint3 grid, block;
  size_t shared_bytes;
  Company company;
  // The extents of a cluster or the grid, each of whose blocks has an OS thread of its own.
  Uint3 team;
  void (*invoke)(const void* arguments);
  const void* arguments;
};

// The simulated device holds so few blocks at once, where they wait for each other, because ThreadSanitizer
// allows some 8000 threads.
inline constexpr int kMaxFibers = 8000;
inline constexpr int64_t kMostBlocksTogether = 12;

// Runs all threads of all blocks to their end; throws sim::Error.
void run(const Launch& launch);

// Whether launches into this stream are recorded instead of run (kernels/cuda/host.h).
bool recording(const CUstream_st* stream);
void record(std::function<void()> launch);
// Throws when some stream is being recorded, an allocation only where the recording has not allowed it.
void refuse_while_recording(const char* what);
void refuse_allocation_while_recording();

// Ends the launch with an error that names the current thread and the place it called from.
[[noreturn]] void fail(Fault fault, const std::string& text);
[[noreturn]] void fail(Fault fault, const std::string& text, Where where);

// An operation that the lanes of a mask do together. The last lane to arrive runs `combine` over
// every lane's payload.
struct WarpOp {
  const char* name;
  bool aligned;  // all lanes must be at the same instruction
  bool orders;   // is a memory barrier among the lanes
  void (*combine)(void* const (&payloads)[32], uint32_t lanes);
};

struct ShufflePayload {
  uint64_t bits;
  int source_lane;
};
struct VotePayload {
  bool predicate;
  uint32_t ballot;
};
struct LdmatrixPayload {
  alignas(16) uint32_t row[4];
  uint32_t result[4];
};
struct MmaPayload {
  float* d;
  const uint32_t* a;
  uint32_t b0, b1;
};

extern const WarpOp syncwarp_op, shuffle_op, ballot_op, mma_bf16_op, mma_tf32_op, wgmma_op;
const WarpOp& ldmatrix_op(int matrices, bool transposed);

void warp_collective(const WarpOp& op, uint32_t mask, void* payload, Where where);

// Barrier 0 with 0 threads is the barrier of the whole block.
void block_barrier(int id, int threads, bool wait, Where where);

// The block waits for all blocks of the launch; all of its threads wait for each other before and after.
void grid_barrier(Where where);
// A thread tells the other threads of its cluster that it has come, and waits for them to have.
void arrive_at_cluster(Where where);
void wait_for_cluster(Where where);

// Where that block of the cluster, counted along x, y, z, has what this one has at `mine`, in a shared array.
const void* cluster_shared(const void* mine, int rank, Where where);

// Device memory: NaN-filled, its margins checked after every launch.
void* allocate_device(size_t bytes);
void free_device(void* memory) noexcept;

// The block's index-th shared array.
void* take_shared(int index, size_t bytes, Where where);

// A place where other threads may run first. True when the atomic that follows publishes earlier
// writes, which it does only after a fence.
bool atomic_point(Where where);
void fence_point(Where where);

struct AsyncCopy {
  void* to;
  const void* from;
  uint8_t bytes, source_bytes;
  bool landed;
  uint32_t group;
};

// Queues a copy; says whether it lands at once or only when it is waited for.
bool start_copy(void* to, const void* from, int bytes, int source_bytes, Where where);
void commit_copies();
// The next copy that a wait for all but the newest `groups` groups has to finish, or null.
const AsyncCopy* finish_copy(int groups);

// One lane's part of a wgmma: `compute` reads the operands and adds to the lane's sums.
struct AsyncProduct {
  float* sums;
  const void *a, *b;
  int a_panel, b_panel;
  int warp, lane;
  void (*compute)(const AsyncProduct&);
  bool computed = false;
  uint32_t batch = 0;
};

// The same for products: whether it is to be computed at once, the end of a batch, and the next one that
// a wait for all but the newest `batches` has to compute, or null.
bool start_product(const AsyncProduct& product, Where where);
void commit_products();
const AsyncProduct* finish_product(int batches);

}  // namespace gan::sim
