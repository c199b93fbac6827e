// The one header a kernel source (.cu) includes.
//
// A kernel is ordinary CUDA C++ (__global__, __device__, __launch_bounds__, threadIdx, blockIdx,
// blockDim, gridDim), started with gan::gpu::launch() and using the wrappers below for everything
// that is not plain arithmetic. Two compilers read it:
//   nvcc (sm_80 or newer)  the wrappers are CUDA intrinsics and inline PTX; no other file holds asm
//                          but wgmma.h and cluster.h, for the kernels that want a Hopper GPU
//   the host compiler      the wrappers come from sim/shim.h: a fiber per thread, NaN-filled shared
//                          memory, seeded schedules, so that the same source runs, and its bugs show,
//                          on a machine without a GPU. See sim/README.md.
//
//   host    launch, launch_together, blocks_together, most_shared_bytes, device_alloc, device_free,
//           copy_to_device, copy_to_host, synchronize
//   shared  Smem::take, Smem::bytes (no static __shared__ arrays)
//   warp    shfl, shfl_up, shfl_down, shfl_xor, ballot, any, all, syncwarp, lane_id
//   block   syncthreads, barrier_sync, barrier_arrive
//   grid    sync_grid, in a launch_together
//   memory  load_packet, load_packet_nc, store_packet, ldg, threadfence
//   atomic  atomic_add, atomic_max, atomic_cas, atomic_exch
//   copies  cp_async<4|8|16>, cp_async_commit, cp_async_wait<N>, cp_async_wait_all
//   tensor  ldmatrix, ldmatrix_trans, mma_bf16 (m16n8k16), mma_tf32 (m16n8k8)
//   number  bf16, to_bf16, to_float, pack_bf16, unpack_bf16, to_tf32, bit_cast, fast_exp, fast_log,
//           fast_rsqrt, fast_divide; expf, log1pf, fmaf and the rest of <cmath>'s float functions
//           work as they are
//
// Float atomics are absent on purpose: every reduction has a fixed order, so the same seed gives
// the same bytes. Loops to unroll are marked GAN_UNROLL, because the host compiler does not know
// nvcc's pragma.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "engine/error.h"

struct CUstream_st;
struct CUevent_st;

namespace gan::gpu {

// The type cudaStream_t names, so that host code can pass streams on without CUDA's headers. Null
// is the default stream.
using Stream = CUstream_st*;

// A launch or a CUDA call that failed; the simulator's faults derive from it.
struct Error : DeviceError {
  using DeviceError::DeviceError;
};

// Grid or block extent. Wide and signed so that a count that does not fit is refused instead of
// wrapping.
struct Dim3 {
  constexpr Dim3(int64_t x_count, int64_t y_count = 1, int64_t z_count = 1)
      : x(x_count), y(y_count), z(z_count) {}
  int64_t x, y, z;
};

// The storage type of bfloat16; arithmetic is done in float.
struct bf16 {
  uint16_t bits;
};

// N elements moved by one instruction: 16 bytes unless told otherwise.
template <class T, int N = 16 / sizeof(T)>
struct alignas(sizeof(T) * N) Packet {
  static_assert(sizeof(T) * N <= 16 && (N & (N - 1)) == 0, "a packet is 1, 2, 4, 8 or 16 bytes");
  T v[N];
};

inline constexpr unsigned kFullMask = 0xffffffffu;
inline constexpr size_t kMaxSharedBytes = 227 * 1024;  // what one block may ask for on sm_90
inline constexpr size_t kSharedAlignment = 128;

// Shared memory that one take<T>(count) uses up.
constexpr size_t shared_piece_bytes(size_t bytes) {
  return (bytes + kSharedAlignment - 1) / kSharedAlignment * kSharedAlignment;
}

// The limits every device since sm_80 shares, checked before the launch so that both compilers
// refuse alike.
inline void check_launch(const Dim3& grid, const Dim3& block, size_t smem_bytes) {
  const auto text = [](const Dim3& d) { return str(d.x, " x ", d.y, " x ", d.z); };
  const auto inside = [](int64_t value, int64_t limit) { return value >= 1 && value <= limit; };
  if (!inside(grid.x, 0x7fffffff) || !inside(grid.y, 65535) || !inside(grid.z, 65535))
    throw Error(str("launch: a grid of ", text(grid),
                    " blocks; allowed is 1..2147483647 x 1..65535 x 1..65535"));
  if (!inside(block.x, 1024) || !inside(block.y, 1024) || !inside(block.z, 64) ||
      block.x * block.y * block.z > 1024)
    throw Error(str("launch: a block of ", text(block),
                    " threads; allowed is 1..1024 x 1..1024 x 1..64, 1024 together"));
  if (smem_bytes > kMaxSharedBytes)
    throw Error(str("launch: ", smem_bytes, " bytes of shared memory; a block has at most ",
                    kMaxSharedBytes));
}

// What the host has asked of the device so far: a step in its steady state should launch recorded
// work, and neither allocate nor wait.
struct HostCalls {
  uint64_t launches = 0, allocations = 0, copies = 0, waits = 0, replays = 0;
};
inline HostCalls& host_calls() {
  static HostCalls calls;
  return calls;
}

// Converts a launch argument to the kernel's parameter type; an integer must keep its value.
template <class Param, class Arg>
Param launch_argument(Arg argument) {
  if constexpr (std::is_integral_v<Param> && std::is_integral_v<Arg> && sizeof(Param) > 1) {
    if (!std::in_range<Param>(argument))
      throw Error(str("launch: argument ", argument, " does not fit the kernel's parameter"));
  }
  return static_cast<Param>(argument);
}

}  // namespace gan::gpu

#ifndef __CUDACC__

#include "kernels/cuda/sim/shim.h"

#else

#include <cooperative_groups.h>
#include <cuda_runtime.h>

#define GAN_UNROLL _Pragma("unroll")

namespace gan::gpu {

// ---- Host side

inline void check_cuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // or the next launch, which has nothing to do with it, would report it again
  throw Error(str(what, ": ", cudaGetErrorString(status)));
}

template <class Kernel>
void allow_shared_bytes(Kernel* kernel, size_t smem_bytes) {
  if (smem_bytes > 48 * 1024)
    check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    static_cast<int>(smem_bytes)),
               "asking for more than 48 KiB of shared memory");
}

// `attribute`, which may be null, has to outlive it.
inline cudaLaunchConfig_t launch_config(const cudaLaunchAttribute* attribute, const Dim3& grid,
                                        const Dim3& block, size_t smem_bytes, Stream stream) {
  const auto extent = [](const Dim3& d) {
    return dim3(static_cast<unsigned>(d.x), static_cast<unsigned>(d.y), static_cast<unsigned>(d.z));
  };
  cudaLaunchConfig_t config = {};
  config.gridDim = extent(grid);
  config.blockDim = extent(block);
  config.dynamicSmemBytes = smem_bytes;
  config.stream = stream;
  config.attrs = const_cast<cudaLaunchAttribute*>(attribute);  // only read
  config.numAttrs = attribute ? 1 : 0;
  return config;
}

template <class... Params, class... Args>
void launch_with(const cudaLaunchAttribute* attribute, void (*kernel)(Params...), Dim3 grid,
                 Dim3 block, size_t smem_bytes, Stream stream, Args... args) {
  static_assert(sizeof...(Params) == sizeof...(Args), "one argument for each kernel parameter");
  check_launch(grid, block, smem_bytes);
  allow_shared_bytes(kernel, smem_bytes);
  const cudaLaunchConfig_t config = launch_config(attribute, grid, block, smem_bytes, stream);
  ++host_calls().launches;
  check_cuda(cudaLaunchKernelEx(&config, kernel, launch_argument<Params>(args)...),
             "kernel launch");
}

template <class... Params, class... Args>
void launch(void (*kernel)(Params...), Dim3 grid, Dim3 block, size_t smem_bytes, Stream stream,
            Args... args) {
  launch_with(nullptr, kernel, grid, block, smem_bytes, stream, args...);
}

// All blocks are on the device at once, at most blocks_together(), and may wait for each other in
// sync_grid().
template <class... Params, class... Args>
void launch_together(void (*kernel)(Params...), Dim3 grid, Dim3 block, size_t smem_bytes,
                     Stream stream, Args... args) {
  cudaLaunchAttribute together = {};
  together.id = cudaLaunchAttributeCooperative;
  together.val.cooperative = 1;
  launch_with(&together, kernel, grid, block, smem_bytes, stream, args...);
}

// How many blocks of such a launch the device holds at once.
template <class... Params>
int64_t blocks_together(void (*kernel)(Params...), Dim3 block, size_t smem_bytes) {
  allow_shared_bytes(kernel, smem_bytes);
  int device = 0, multiprocessors = 0, blocks = 0;
  check_cuda(cudaGetDevice(&device), "asking for the device");
  check_cuda(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device),
             "counting multiprocessors");
  check_cuda(cudaOccupancyMaxActiveBlocksPerMultiprocessor(
                 &blocks, kernel, static_cast<int>(block.x * block.y * block.z), smem_bytes),
             "asking how many blocks fit");
  return int64_t{multiprocessors} * blocks;
}

// The shared memory that one block may ask for on this device.
inline size_t most_shared_bytes() {
  int device = 0, bytes = 0;
  check_cuda(cudaGetDevice(&device), "asking for the device");
  check_cuda(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
             "asking for shared memory");
  return static_cast<size_t>(bytes);
}

inline void* device_alloc(size_t bytes) {
  ++host_calls().allocations;
  void* memory = nullptr;
  check_cuda(cudaMalloc(&memory, bytes), "allocating device memory");
  return memory;
}
inline void device_free(void* memory) noexcept {
  cudaFree(memory);
}
inline void copy_to_device(void* to, const void* from, size_t bytes, Stream stream) {
  ++host_calls().copies;
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream),
             "copying to the device");
}
inline void copy_to_host(void* to, const void* from, size_t bytes, Stream stream) {
  ++host_calls().copies;
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream),
             "copying to the host");
}
inline void synchronize(Stream stream) {
  ++host_calls().waits;
  check_cuda(cudaStreamSynchronize(stream), "waiting for the device");
}

// ---- Shared memory

// Carves arrays off the block's dynamic shared memory; every thread of the block takes the same
// arrays in the same order.
class Smem {
 public:
  __device__ Smem() {
    extern __shared__ __align__(kSharedAlignment) unsigned char gan_dynamic_shared_memory[];
    next_ = gan_dynamic_shared_memory;
  }
  template <class T>
  __device__ T* take(int count) {
    T* const piece = reinterpret_cast<T*>(next_);
    next_ += (sizeof(T) * count + kSharedAlignment - 1) / kSharedAlignment * kSharedAlignment;
    return piece;
  }
  // What take<T>(count) uses; a launcher adds these up.
  template <class T>
  static constexpr size_t bytes(size_t count) {
    return shared_piece_bytes(sizeof(T) * count);
  }

 private:
  unsigned char* next_;
};

// ---- Warp

__device__ __forceinline__ int lane_id() {
  int lane;
  asm("mov.u32 %0, %%laneid;" : "=r"(lane));
  return lane;
}

template <class T>
__device__ __forceinline__ T shfl(T value, int lane, int width = 32, unsigned mask = kFullMask) {
  return __shfl_sync(mask, value, lane, width);
}
template <class T>
__device__ __forceinline__ T shfl_up(T value, int delta, int width = 32,
                                     unsigned mask = kFullMask) {
  return __shfl_up_sync(mask, value, delta, width);
}
template <class T>
__device__ __forceinline__ T shfl_down(T value, int delta, int width = 32,
                                       unsigned mask = kFullMask) {
  return __shfl_down_sync(mask, value, delta, width);
}
template <class T>
__device__ __forceinline__ T shfl_xor(T value, int lane_mask, int width = 32,
                                      unsigned mask = kFullMask) {
  return __shfl_xor_sync(mask, value, lane_mask, width);
}
__device__ __forceinline__ unsigned ballot(bool predicate, unsigned mask = kFullMask) {
  return __ballot_sync(mask, predicate);
}
__device__ __forceinline__ bool any(bool predicate, unsigned mask = kFullMask) {
  return __any_sync(mask, predicate);
}
__device__ __forceinline__ bool all(bool predicate, unsigned mask = kFullMask) {
  return __all_sync(mask, predicate);
}
__device__ __forceinline__ void syncwarp(unsigned mask = kFullMask) {
  __syncwarp(mask);
}

// ---- Block

// A comment at a barrier says what is done before it | what may begin after it.
__device__ __forceinline__ void syncthreads() {
  __syncthreads();
}

// Named barriers 1..15 (0 is syncthreads): `threads` is a multiple of 32, counts both sides, and
// whole warps take part.
__device__ __forceinline__ void barrier_sync(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
__device__ __forceinline__ void barrier_arrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// ---- Grid

// Waits for all threads of a launch_together; what they wrote before can be read after.
__device__ __forceinline__ void sync_grid() {
  cooperative_groups::this_grid().sync();
}

// ---- Memory

template <class To, class From>
__host__ __device__ __forceinline__ To bit_cast(const From& from) {
  static_assert(sizeof(To) == sizeof(From), "bit_cast keeps the size");
  return __builtin_bit_cast(To, from);
}

// The built-in type whose loads and stores are one instruction of that size.
template <size_t Bytes>
struct Raw;
template <>
struct Raw<1> {
  using Type = unsigned char;
};
template <>
struct Raw<2> {
  using Type = unsigned short;
};
template <>
struct Raw<4> {
  using Type = unsigned;
};
template <>
struct Raw<8> {
  using Type = uint2;
};
template <>
struct Raw<16> {
  using Type = uint4;
};

// Loads through the read-only path; the memory must not change while the kernel runs.
template <class T>
__device__ __forceinline__ T ldg(const T* from) {
  return bit_cast<T>(__ldg(reinterpret_cast<const typename Raw<sizeof(T)>::Type*>(from)));
}
// One aligned vector access, global or shared.
template <class T, int N = 16 / sizeof(T)>
__device__ __forceinline__ Packet<T, N> load_packet(const T* from) {
  return bit_cast<Packet<T, N>>(*reinterpret_cast<const typename Raw<sizeof(T) * N>::Type*>(from));
}
template <class T, int N = 16 / sizeof(T)>
__device__ __forceinline__ Packet<T, N> load_packet_nc(const T* from) {
  return bit_cast<Packet<T, N>>(
      __ldg(reinterpret_cast<const typename Raw<sizeof(T) * N>::Type*>(from)));
}
template <class T, int N>
__device__ __forceinline__ void store_packet(T* to, const Packet<T, N>& packet) {
  using Word = typename Raw<sizeof(T) * N>::Type;
  *reinterpret_cast<Word*>(to) = bit_cast<Word>(packet);
}

__device__ __forceinline__ void threadfence() {
  __threadfence();
}

// Each returns the old value. T is int, unsigned or unsigned long long.
template <class T>
__device__ __forceinline__ T atomic_add(T* target, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>, "float atomics have no fixed order");
  return atomicAdd(target, value);
}
template <class T>
__device__ __forceinline__ T atomic_max(T* target, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>, "integers only");
  return atomicMax(target, value);
}
template <class T>
__device__ __forceinline__ T atomic_cas(T* target, std::type_identity_t<T> expected,
                                        std::type_identity_t<T> desired) {
  static_assert(std::is_integral_v<T>, "integers only");
  return atomicCAS(target, expected, desired);
}
template <class T>
__device__ __forceinline__ T atomic_exch(T* target, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>, "integers only");
  return atomicExch(target, value);
}

// ---- Asynchronous copies, global to shared

// Copies source_bytes and fills the rest of the Bytes with zeros; nothing is read when source_bytes
// is 0.
template <int Bytes>
__device__ __forceinline__ void cp_async(void* shared, const void* global,
                                         int source_bytes = Bytes) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16, "cp.async moves 4, 8 or 16 bytes");
  const unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  if constexpr (Bytes == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global),
                 "r"(source_bytes)
                 : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(to), "l"(global), "n"(Bytes),
                 "r"(source_bytes)
                 : "memory");
}
__device__ __forceinline__ void cp_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
// Waits until at most Groups of this thread's committed groups are still under way.
template <int Groups>
__device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Groups) : "memory");
}

// ---- Tensor cores

// Loads 1, 2 or 4 8x8 matrices of 16-bit elements; lane i names row i%8 of matrix i/8 (16 bytes,
// aligned, in shared memory).
template <int N>
__device__ __forceinline__ void ldmatrix(uint32_t (&r)[N], const void* row) {
  static_assert(N == 1 || N == 2 || N == 4, "ldmatrix loads 1, 2 or 4 matrices");
  const unsigned from = static_cast<unsigned>(__cvta_generic_to_shared(row));
  if constexpr (N == 1)
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];"
                 : "=r"(r[0])
                 : "r"(from)
                 : "memory");
  else if constexpr (N == 2)
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(from)
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(from)
                 : "memory");
}
// The same with each matrix transposed.
template <int N>
__device__ __forceinline__ void ldmatrix_trans(uint32_t (&r)[N], const void* row) {
  static_assert(N == 1 || N == 2 || N == 4, "ldmatrix loads 1, 2 or 4 matrices");
  const unsigned from = static_cast<unsigned>(__cvta_generic_to_shared(row));
  if constexpr (N == 1)
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];"
                 : "=r"(r[0])
                 : "r"(from)
                 : "memory");
  else if constexpr (N == 2)
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(from)
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(from)
                 : "memory");
}

// d += A x B with A 16x16 row major and B 16x8 column major in bf16, in the fragment layout of
// mma.sync m16n8k16.
__device__ __forceinline__ void mma_bf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                         uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
// The same for tf32, m16n8k8: A 16x8, B 8x8; operands come from to_tf32.
__device__ __forceinline__ void mma_tf32(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                         uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, "
      "%9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// ---- Numbers

// Two floats to bf16, nearest even; `low` lands in the lower half, the lower address.
__device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}
// Nearest, ties away from zero; the 13 low bits are zero.
__device__ __forceinline__ uint32_t to_tf32(float value) {
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
}

// A few units in the last place off, for activations and normalisation.
__device__ __forceinline__ float fast_exp(float x) {
  return __expf(x);
}
__device__ __forceinline__ float fast_log(float x) {
  return __logf(x);
}
__device__ __forceinline__ float fast_rsqrt(float x) {
  return rsqrtf(x);
}
__device__ __forceinline__ float fast_divide(float x, float y) {
  return __fdividef(x, y);
}

}  // namespace gan::gpu

#endif

namespace gan::gpu {

__device__ __forceinline__ bf16 to_bf16(float value) {
  return bf16{static_cast<uint16_t>(pack_bf16(value, 0.0f) & 0xffffu)};
}
__device__ __forceinline__ float to_float(bf16 value) {
  return bit_cast<float>(static_cast<uint32_t>(value.bits) << 16);
}
__device__ __forceinline__ void unpack_bf16(uint32_t packed, float& low, float& high) {
  low = bit_cast<float>(packed << 16);
  high = bit_cast<float>(packed & 0xffff0000u);
}
__device__ __forceinline__ void cp_async_wait_all() {
  cp_async_commit();
  cp_async_wait<0>();
}

}  // namespace gan::gpu
