// Clusters: neighbouring blocks that are on the device at once and close to each other. They wait for each
// other, and read each other's shared memory, which takes less time than the way through global memory. On
// Hopper and later alone: ask has_clusters() first; code for other architectures traps.
//
//   host    launch_clusters
//   device  sync_cluster, cluster_shared
#pragma once

#include "kernels/cuda/gpu.h"

namespace gan::gpu {

// Blocks; every device with clusters takes so many, but not of every size of shared memory at once.
inline constexpr int64_t kMostInCluster = 8;

// Whether this device has clusters, and this program code that knows of them.
bool has_clusters();

// They divide the grid.
inline void check_clusters(const Dim3& grid, const Dim3& cluster) {
  const bool divides = cluster.x >= 1 && cluster.y >= 1 && cluster.z >= 1 &&
                       grid.x % cluster.x == 0 && grid.y % cluster.y == 0 &&
                       grid.z % cluster.z == 0;
  if (!divides || cluster.x * cluster.y * cluster.z > kMostInCluster)
    throw Error(str("launch: clusters of ", cluster.x, " x ", cluster.y, " x ", cluster.z,
                    " blocks in a grid of ", grid.x, " x ", grid.y, " x ", grid.z,
                    "; they divide it and have at most ", kMostInCluster, " blocks"));
}

}  // namespace gan::gpu

#ifndef __CUDACC__

#include "kernels/cuda/sim/cluster_shim.h"

#else

namespace gan::gpu {

// `cluster`: blocks along x, y and z.
template <class... Params, class... Args>
void launch_clusters(void (*kernel)(Params...), Dim3 grid, Dim3 cluster, Dim3 block,
                     size_t smem_bytes, Stream stream, Args... args) {
  check_clusters(grid, cluster);
  cudaLaunchAttribute clusters = {};
  clusters.id = cudaLaunchAttributeClusterDimension;
  clusters.val.clusterDim.x = static_cast<unsigned>(cluster.x);
  clusters.val.clusterDim.y = static_cast<unsigned>(cluster.y);
  clusters.val.clusterDim.z = static_cast<unsigned>(cluster.z);
  launch_with(&clusters, kernel, grid, block, smem_bytes, stream, args...);
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define GAN_CLUSTER(...) asm volatile(__VA_ARGS__)
#else
#define GAN_CLUSTER(...) __trap()
#endif

// Waits for all threads of the cluster; what they wrote before, also to shared memory, can be read after. A
// block whose shared memory others read waits once more before it ends.
__device__ __forceinline__ void sync_cluster() {
  GAN_CLUSTER("barrier.cluster.arrive.release; barrier.cluster.wait.acquire;" ::: "memory");
}
// Where block `rank` of the cluster, counted along x, y, z, has what this one has at `mine`, which lies in
// shared memory.
template <class T>
__device__ __forceinline__ const T* cluster_shared(const T* mine, int rank) {
  uint64_t theirs = 0;
  GAN_CLUSTER("mapa.u64 %0, %1, %2;" : "=l"(theirs) : "l"(mine), "r"(rank));
  return reinterpret_cast<const T*>(theirs);
}

#undef GAN_CLUSTER

}  // namespace gan::gpu

#endif
