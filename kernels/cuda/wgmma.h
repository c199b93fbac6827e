// Products of bf16 matrices by a warpgroup on Hopper's tensor cores (wgmma, sm_90a): both operands are
// read from shared memory, asynchronously, and the sums stay in the registers of 128 threads.
//
// A warpgroup is four warps, the first of them a multiple of four. All its threads make the same calls:
//   wgmma_publish()          each thread that wrote operands, before the barrier that ends the writing
//   wgmma_fence()            before the first product of a batch
//   wgmma<N, A, B>(d, a, b)  d += a x b: 64 x N sums, 16 terms; any number of them
//   wgmma_commit()           ends the batch
//   wgmma_wait<Batches>()    waits until at most so many batches are under way; until then their sums
//                            must not be touched, nor their operands overwritten
// Holds asm, as gpu.h and cluster.h do. Code for other architectures traps: ask has_wgmma() first.
#pragma once

#include "kernels/cuda/gpu.h"

namespace gan::gpu {

// How a matrix lies in shared memory, in rows of 64 elements (128 bytes) whose eight 16-byte chunks are
// exchanged: chunk c of row r is found at place c ^ r % 8. The tile begins at a multiple of 1024 bytes.
//   k_rows   a row for each m or n, 64 terms in it
//   m_rows   a row for each term, 64 of m or n in it; wider tiles are such panels one after another
enum class WgmmaOrder : uint8_t { k_rows = 0, m_rows = 1 };

// Whether this device and the code in this program for it have these products.
bool has_wgmma();

}  // namespace gan::gpu

#ifndef __CUDACC__

#include "kernels/cuda/sim/wgmma_shim.h"

#else

#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define GAN_WGMMA(...) asm volatile(__VA_ARGS__)
#else
#define GAN_WGMMA(...) __trap()
#endif

namespace gan::gpu {

// A tile, or the part of it that begins at some row or term.
struct WgmmaMatrix {
  uint64_t descriptor;
};

// `tile`: its start, or 16 terms times n further on: 16 n elements (k_rows) or 16 n rows (m_rows), or
// n panels or groups of eight rows. panel_bytes: from a panel to the next, of m_rows.
// The descriptor of the PTX ISA, "Matrix Descriptor Format": bits 0-13 the address, 16-29 the offset
// between panels, 32-45 that between groups of eight rows, all in units of 16 bytes; 62-63 a swizzle
// of 128 bytes.
__device__ __forceinline__ WgmmaMatrix wgmma_matrix(const bf16* tile, int panel_bytes = 16) {
  constexpr uint64_t kEightRows = 1024 / 16, kSwizzle128 = 1;
  const auto address = static_cast<uint64_t>(__cvta_generic_to_shared(tile));
  return {(address & 0x3ffff) >> 4 | static_cast<uint64_t>(panel_bytes >> 4) << 16 |
          kEightRows << 32 | kSwizzle128 << 62};
}

__device__ __forceinline__ void wgmma_publish() {
  GAN_WGMMA("fence.proxy.async.shared::cta;" ::: "memory");
}
__device__ __forceinline__ void wgmma_fence() {
  GAN_WGMMA("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void wgmma_commit() {
  GAN_WGMMA("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int Batches>
__device__ __forceinline__ void wgmma_wait() {
  GAN_WGMMA("wgmma.wait_group.sync.aligned %0;" ::"n"(Batches) : "memory");
}

#define GAN_SUMS_8(d, i)                                                                      \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), \
      "+f"(d[i + 6]), "+f"(d[i + 7])
#define GAN_SUMS_32(d, i) \
  GAN_SUMS_8(d, i), GAN_SUMS_8(d, i + 8), GAN_SUMS_8(d, i + 16), GAN_SUMS_8(d, i + 24)
#define GAN_SUMS_64(d, i) GAN_SUMS_32(d, i), GAN_SUMS_32(d, i + 32)
#define GAN_SUMS_128(d, i) GAN_SUMS_64(d, i), GAN_SUMS_64(d, i + 64)

// d[4 j + 0..3] of lane l in warp w of the warpgroup: rows 16 w + l / 4 (0, 1) and 8 more (2, 3),
// columns 8 j + 2 (l % 4) and the next, as mma.sync m16n8 has them.
template <int N, WgmmaOrder OrderA, WgmmaOrder OrderB>
__device__ __forceinline__ void wgmma(float (&d)[N / 2], WgmmaMatrix a, WgmmaMatrix b) {
  static_assert(N == 64 || N == 128 || N == 256, "64, 128 or 256 columns");
  if constexpr (N == 64) {
    GAN_WGMMA(
        "{.reg .pred p; setp.ne.b32 p, 1, 0; wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
        "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, "
        "%19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
        "%32, %33, p, 1, 1, %34, %35;}"
        : GAN_SUMS_32(d, 0)
        : "l"(a.descriptor), "l"(b.descriptor), "n"(static_cast<int>(OrderA)),
          "n"(static_cast<int>(OrderB)));
  } else if constexpr (N == 128) {
    GAN_WGMMA(
        "{.reg .pred p; setp.ne.b32 p, 1, 0; wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
        "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, "
        "%19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, "
        "%36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, "
        "%53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
        "%64, %65, p, 1, 1, %66, %67;}"
        : GAN_SUMS_64(d, 0)
        : "l"(a.descriptor), "l"(b.descriptor), "n"(static_cast<int>(OrderA)),
          "n"(static_cast<int>(OrderB)));
  } else {
    GAN_WGMMA(
        "{.reg .pred p; setp.ne.b32 p, 1, 0; wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 "
        "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, "
        "%19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, "
        "%36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, "
        "%53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, %68, %69, "
        "%70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, "
        "%87, %88, %89, %90, %91, %92, %93, %94, %95, %96, %97, %98, %99, %100, %101, %102, %103, "
        "%104, %105, %106, %107, %108, %109, %110, %111, %112, %113, %114, %115, %116, %117, "
        "%118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
        "%128, %129, p, 1, 1, %130, %131;}"
        : GAN_SUMS_128(d, 0)
        : "l"(a.descriptor), "l"(b.descriptor), "n"(static_cast<int>(OrderA)),
          "n"(static_cast<int>(OrderB)));
  }
}

#undef GAN_SUMS_8
#undef GAN_SUMS_32
#undef GAN_SUMS_64
#undef GAN_SUMS_128
#undef GAN_WGMMA

}  // namespace gan::gpu

#endif
