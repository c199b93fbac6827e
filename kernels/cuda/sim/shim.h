// The simulator's side of gpu.h: the same names and signatures for the host compiler, plus a
// trailing Where that callers leave out. Included by gpu.h only.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>

#include "kernels/cuda/sim/runtime.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define threadIdx (::gan::sim::current->thread_index)
#define blockIdx (::gan::sim::current->block_index)
#define blockDim (::gan::sim::current->block_size)
#define gridDim (::gan::sim::current->grid_size)
#define GAN_UNROLL

namespace gan::sim {

// A fault found while a kernel ran.
class Error : public gpu::Error {
 public:
  Error(Fault fault, const std::string& text) : gpu::Error(text), fault_(fault) {}
  Fault fault() const { return fault_; }

 private:
  Fault fault_;
};

inline void check_aligned(const void* address, size_t alignment, const char* what, Where where) {
  if (reinterpret_cast<uintptr_t>(address) % alignment != 0)
    fail(Fault::misaligned, str(what, " needs an address aligned to ", alignment, " bytes"), where);
}

// Types that may alias anything and are read or written by one access, which is what the sanitizers
// then see.
template <size_t Bytes>
struct Raw;
template <>
struct Raw<1> {
  typedef uint8_t Type __attribute__((may_alias));
};
template <>
struct Raw<2> {
  typedef uint16_t Type __attribute__((may_alias));
};
template <>
struct Raw<4> {
  typedef uint32_t Type __attribute__((may_alias));
};
template <>
struct Raw<8> {
  typedef uint64_t Type __attribute__((may_alias));
};
template <>
struct Raw<16> {
  typedef uint32_t Type __attribute__((vector_size(16), may_alias));
};

template <class To>
To load_raw(const void* from) {
  const typename Raw<sizeof(To)>::Type word =
      *static_cast<const typename Raw<sizeof(To)>::Type*>(from);
  To value;
  std::memcpy(&value, &word, sizeof(To));
  return value;
}
template <class From>
void store_raw(void* to, const From& value) {
  typename Raw<sizeof(From)>::Type word;
  std::memcpy(&word, &value, sizeof(From));
  *static_cast<typename Raw<sizeof(From)>::Type*>(to) = word;
}

template <int Bytes>
struct Chunk {
  uint8_t v[Bytes];
};

template <int Bytes>
void land_copy(void* to, const void* from, int source_bytes) {
  Chunk<Bytes> chunk{};
  if (source_bytes == Bytes)
    chunk = load_raw<Chunk<Bytes>>(from);
  else
    for (int i = 0; i < source_bytes; ++i) chunk.v[i] = static_cast<const uint8_t*>(from)[i];
  store_raw(to, chunk);
}

template <class T>
T shuffle(T value, int source_lane, unsigned mask, Where where) {
  static_assert(std::is_trivially_copyable_v<T> && (sizeof(T) == 4 || sizeof(T) == 8),
                "a shuffle moves 4 or 8 bytes");
  ShufflePayload payload{0, source_lane};
  std::memcpy(&payload.bits, &value, sizeof(T));
  warp_collective(shuffle_op, mask, &payload, where);
  std::memcpy(&value, &payload.bits, sizeof(T));
  return value;
}

// The lane's segment is the aligned group of `width` lanes around it.
inline int segment_start(int width, Where where) {
  if (width < 1 || width > 32 || (width & (width - 1)) != 0)
    fail(Fault::misuse, str("a shuffle's width must be a power of two up to 32, not ", width),
         where);
  return current->lane & ~(width - 1);
}

template <class T, class Operation>
T atomic(T* target, Operation operation, Where where) {
  static_assert(
      std::is_same_v<T, int> || std::is_same_v<T, unsigned> ||
          std::is_same_v<T, unsigned long long>,
      "atomics take int, unsigned or unsigned long long; float atomics have no fixed order");
  check_aligned(target, sizeof(T), "an atomic", where);
  // Two calls, because a sanitizer only understands a constant order.
  if (atomic_point(where)) return operation(std::integral_constant<int, __ATOMIC_ACQ_REL>());
  return operation(std::integral_constant<int, __ATOMIC_ACQUIRE>());
}

}  // namespace gan::sim

namespace gan::gpu {

using sim::Where;

// ---- Host side

template <class... Params, class... Args>
void launch_as(sim::Company company, Dim3 team, void (*kernel)(Params...), Dim3 grid, Dim3 block,
               size_t smem_bytes, Stream stream, Args... args) {
  static_assert(sizeof...(Params) == sizeof...(Args), "one argument for each kernel parameter");
  check_launch(grid, block, smem_bytes);
  const auto extent = [](const Dim3& d) {
    return sim::Uint3{static_cast<unsigned>(d.x), static_cast<unsigned>(d.y),
                      static_cast<unsigned>(d.z)};
  };
  const auto body = [kernel, ... values = launch_argument<Params>(args)] { kernel(values...); };
  const auto run = [kernel, grid = extent(grid), block = extent(block), smem_bytes, company,
                    team = extent(team), body] {
    sim::run({reinterpret_cast<const void*>(kernel), grid, block, smem_bytes, company, team,
              [](const void* arguments) { (*static_cast<const decltype(body)*>(arguments))(); },
              &body});
  };
  ++host_calls().launches;
  if (sim::recording(stream))
    sim::record(run);
  else
    run();
}
template <class... Params, class... Args>
void launch(void (*kernel)(Params...), Dim3 grid, Dim3 block, size_t smem_bytes, Stream stream,
            Args... args) {
  launch_as(sim::Company::none, 1, kernel, grid, block, smem_bytes, stream, args...);
}
template <class... Params>
int64_t blocks_together(void (*)(Params...), Dim3 block, size_t) {
  return std::min(sim::kMostBlocksTogether, sim::kMaxFibers / (block.x * block.y * block.z));
}
template <class... Params, class... Args>
void launch_together(void (*kernel)(Params...), Dim3 grid, Dim3 block, size_t smem_bytes,
                     Stream stream, Args... args) {
  const int64_t blocks = grid.x * grid.y * grid.z,
                most = blocks_together(kernel, block, smem_bytes);
  if (blocks > most)
    throw Error(str("launch: ", blocks, " blocks together; the device holds ", most));
  launch_as(sim::Company::grid, grid, kernel, grid, block, smem_bytes, stream, args...);
}
size_t most_shared_bytes();

// As on a GPU, a stream that is being recorded takes nothing but kernels.
inline void* device_alloc(size_t bytes) {
  sim::refuse_allocation_while_recording();
  ++host_calls().allocations;
  return sim::allocate_device(bytes);
}
inline void device_free(void* memory) noexcept {
  sim::free_device(memory);
}
inline void copy_to_device(void* to, const void* from, size_t bytes, Stream) {
  sim::refuse_while_recording("a copy to the device");
  ++host_calls().copies;
  std::memcpy(to, from, bytes);
}
inline void copy_to_host(void* to, const void* from, size_t bytes, Stream) {
  sim::refuse_while_recording("a copy to the host");
  ++host_calls().copies;
  std::memcpy(to, from, bytes);
}
inline void synchronize(Stream) {
  sim::refuse_while_recording("waiting");
  ++host_calls().waits;
}

// ---- Shared memory

class Smem {
 public:
  template <class T>
  T* take(int count, Where where = Where::here()) {
    return static_cast<T*>(sim::take_shared(taken_++, sizeof(T) * count, where));
  }
  template <class T>
  static constexpr size_t bytes(size_t count) {
    return shared_piece_bytes(sizeof(T) * count);
  }

 private:
  int taken_ = 0;
};

// ---- Warp

inline int lane_id() {
  return sim::current->lane;
}

template <class T>
T shfl(T value, int lane, int width = 32, unsigned mask = kFullMask, Where where = Where::here()) {
  return sim::shuffle(value, sim::segment_start(width, where) | (lane & (width - 1)), mask, where);
}
template <class T>
T shfl_up(T value, int delta, int width = 32, unsigned mask = kFullMask,
          Where where = Where::here()) {
  const int lane = sim::current->lane, source = lane - delta;
  return sim::shuffle(value, source < sim::segment_start(width, where) ? lane : source, mask,
                      where);
}
template <class T>
T shfl_down(T value, int delta, int width = 32, unsigned mask = kFullMask,
            Where where = Where::here()) {
  const int lane = sim::current->lane, source = lane + delta;
  return sim::shuffle(value, source >= sim::segment_start(width, where) + width ? lane : source,
                      mask, where);
}
template <class T>
T shfl_xor(T value, int lane_mask, int width = 32, unsigned mask = kFullMask,
           Where where = Where::here()) {
  const int lane = sim::current->lane, source = lane ^ lane_mask;
  return sim::shuffle(value, source >= sim::segment_start(width, where) + width ? lane : source,
                      mask, where);
}
inline unsigned ballot(bool predicate, unsigned mask = kFullMask, Where where = Where::here()) {
  sim::VotePayload payload{predicate, 0};
  sim::warp_collective(sim::ballot_op, mask, &payload, where);
  return payload.ballot;
}
inline bool any(bool predicate, unsigned mask = kFullMask, Where where = Where::here()) {
  return ballot(predicate, mask, where) != 0;
}
inline bool all(bool predicate, unsigned mask = kFullMask, Where where = Where::here()) {
  return ballot(!predicate, mask, where) == 0;
}
inline void syncwarp(unsigned mask = kFullMask, Where where = Where::here()) {
  sim::warp_collective(sim::syncwarp_op, mask, nullptr, where);
}

// ---- Block

inline void syncthreads(Where where = Where::here()) {
  sim::block_barrier(0, 0, true, where);
}
inline void barrier_sync(int id, int threads, Where where = Where::here()) {
  sim::block_barrier(id, threads, true, where);
}
inline void barrier_arrive(int id, int threads, Where where = Where::here()) {
  sim::block_barrier(id, threads, false, where);
}

// ---- Grid

inline void sync_grid(Where where = Where::here()) {
  sim::block_barrier(0, 0, true, where);
  sim::grid_barrier(where);
  sim::block_barrier(0, 0, true, where);
}

// ---- Memory

template <class To, class From>
To bit_cast(const From& from) {
  return std::bit_cast<To>(from);
}

template <class T>
T ldg(const T* from, Where where = Where::here()) {
  sim::check_aligned(from, sizeof(T), "ldg", where);
  return sim::load_raw<T>(from);
}
template <class T, int N = 16 / sizeof(T)>
Packet<T, N> load_packet(const T* from, Where where = Where::here()) {
  sim::check_aligned(from, sizeof(T) * N, "load_packet", where);
  return sim::load_raw<Packet<T, N>>(from);
}
template <class T, int N = 16 / sizeof(T)>
Packet<T, N> load_packet_nc(const T* from, Where where = Where::here()) {
  return load_packet<T, N>(from, where);
}
template <class T, int N>
void store_packet(T* to, const Packet<T, N>& packet, Where where = Where::here()) {
  sim::check_aligned(to, sizeof(T) * N, "store_packet", where);
  sim::store_raw(to, packet);
}

inline void threadfence(Where where = Where::here()) {
  sim::fence_point(where);
}

template <class T>
T atomic_add(T* target, std::type_identity_t<T> value, Where where = Where::here()) {
  return sim::atomic(
      target, [&](auto order) { return __atomic_fetch_add(target, value, order()); }, where);
}
template <class T>
T atomic_exch(T* target, std::type_identity_t<T> value, Where where = Where::here()) {
  return sim::atomic(
      target, [&](auto order) { return __atomic_exchange_n(target, value, order()); }, where);
}
template <class T>
T atomic_cas(T* target, std::type_identity_t<T> expected, std::type_identity_t<T> desired,
             Where where = Where::here()) {
  return sim::atomic(
      target,
      [&](auto order) {
        __atomic_compare_exchange_n(target, &expected, desired, false, order(), __ATOMIC_ACQUIRE);
        return expected;
      },
      where);
}
template <class T>
T atomic_max(T* target, std::type_identity_t<T> value, Where where = Where::here()) {
  return sim::atomic(
      target,
      [&](auto order) {
        T old = __atomic_load_n(target, __ATOMIC_RELAXED);
        while (!__atomic_compare_exchange_n(target, &old, old < value ? value : old, false, order(),
                                            __ATOMIC_ACQUIRE)) {
        }
        return old;
      },
      where);
}

// ---- Asynchronous copies

template <int Bytes>
void cp_async(void* shared, const void* global, int source_bytes = Bytes,
              Where where = Where::here()) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16, "cp.async moves 4, 8 or 16 bytes");
  if (source_bytes < 0 || source_bytes > Bytes)
    sim::fail(
        sim::Fault::misuse,
        "cp.async of " + std::to_string(source_bytes) + " of " + std::to_string(Bytes) + " bytes",
        where);
  sim::check_aligned(shared, Bytes, "cp.async's destination", where);
  if (source_bytes > 0) sim::check_aligned(global, Bytes, "cp.async's source", where);
  if (sim::start_copy(shared, global, Bytes, source_bytes, where)) {
    sim::land_copy<Bytes>(shared, global, source_bytes);
  } else {
    sim::Chunk<Bytes> in_flight;
    std::memset(&in_flight, 0xff, sizeof(in_flight));
    sim::store_raw(shared, in_flight);
  }
}
inline void cp_async_commit() {
  sim::commit_copies();
}
template <int Groups>
void cp_async_wait() {
  while (const sim::AsyncCopy* copy = sim::finish_copy(Groups)) {
    if (copy->bytes == 16)
      sim::land_copy<16>(copy->to, copy->from, copy->source_bytes);
    else if (copy->bytes == 8)
      sim::land_copy<8>(copy->to, copy->from, copy->source_bytes);
    else
      sim::land_copy<4>(copy->to, copy->from, copy->source_bytes);
  }
}

// ---- Tensor cores

// The lane that names a row reads it here, so that a sanitizer blames the right line.
template <int N>
void load_matrices(uint32_t (&r)[N], const void* row, bool transposed, Where where) {
  static_assert(N == 1 || N == 2 || N == 4, "ldmatrix loads 1, 2 or 4 matrices");
  sim::LdmatrixPayload payload;
  if (sim::current->lane < 8 * N) {
    sim::check_aligned(row, 16, "ldmatrix", where);
    const auto words = sim::load_raw<Packet<uint32_t>>(row);
    std::memcpy(payload.row, &words, sizeof(words));
  }
  sim::warp_collective(sim::ldmatrix_op(N, transposed), kFullMask, &payload, where);
  for (int i = 0; i < N; ++i) r[i] = payload.result[i];
}
template <int N>
void ldmatrix(uint32_t (&r)[N], const void* row, Where where = Where::here()) {
  load_matrices(r, row, false, where);
}
template <int N>
void ldmatrix_trans(uint32_t (&r)[N], const void* row, Where where = Where::here()) {
  load_matrices(r, row, true, where);
}

inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
                     Where where = Where::here()) {
  sim::MmaPayload payload{d, a, b0, b1};
  sim::warp_collective(sim::mma_bf16_op, kFullMask, &payload, where);
}
inline void mma_tf32(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
                     Where where = Where::here()) {
  sim::MmaPayload payload{d, a, b0, b1};
  sim::warp_collective(sim::mma_tf32_op, kFullMask, &payload, where);
}

// ---- Numbers

inline uint32_t bf16_bits(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (value != value) return 0x7fff;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
inline uint32_t pack_bf16(float low, float high) {
  return bf16_bits(high) << 16 | bf16_bits(low);
}
inline uint32_t to_tf32(float value) {
  if (value != value) return 0x7fffffff;
  return (std::bit_cast<uint32_t>(value) + 0x1000) & ~0x1fffu;
}

inline float fast_exp(float x) {
  return std::exp(x);
}
inline float fast_log(float x) {
  return std::log(x);
}
inline float fast_rsqrt(float x) {
  return 1.0f / std::sqrt(x);
}
inline float fast_divide(float x, float y) {
  return x / y;
}

}  // namespace gan::gpu
