// Clusters: neighbouring blocks that are on the device at once and close to each other. They wait for each
// other, and read each other's shared memory, which takes less time than the way through global memory. On
// Hopper and later alone: ask has_clusters() first; code for other architectures traps.
//
//   host    launch_clusters, clusters_together
//   device  sync_cluster, arrive_at_cluster, wait_for_cluster, cluster_shared
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

inline cudaLaunchAttribute cluster_attribute(Dim3 cluster) {
  cudaLaunchAttribute clusters = {};
  clusters.id = cudaLaunchAttributeClusterDimension;
  clusters.val.clusterDim.x = static_cast<unsigned>(cluster.x);
  clusters.val.clusterDim.y = static_cast<unsigned>(cluster.y);
  clusters.val.clusterDim.z = static_cast<unsigned>(cluster.z);
  return clusters;
}

// `cluster`: blocks along x, y and z.
template <class... Params, class... Args>
void launch_clusters(void (*kernel)(Params...), Dim3 grid, Dim3 cluster, Dim3 block,
                     size_t smem_bytes, Stream stream, Args... args) {
  check_clusters(grid, cluster);
  const cudaLaunchAttribute clusters = cluster_attribute(cluster);
  launch_with(&clusters, kernel, grid, block, smem_bytes, stream, args...);
}

// How many such clusters the device holds at once: none where their blocks are too large to be near each other.
template <class... Params>
int64_t clusters_together(void (*kernel)(Params...), Dim3 cluster, Dim3 block, size_t smem_bytes) {
  allow_shared_bytes(kernel, smem_bytes);
  const cudaLaunchAttribute clusters = cluster_attribute(cluster);
  const cudaLaunchConfig_t config = launch_config(&clusters, cluster, block, smem_bytes, nullptr);
  int count = 0;
  check_cuda(cudaOccupancyMaxActiveClusters(&count, kernel, &config),
             "asking how many clusters fit");
  return count;
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define GAN_CLUSTER(...) asm volatile(__VA_ARGS__)
#else
#define GAN_CLUSTER(...) __trap()
#endif

// Waits for all threads of the cluster to come here; what they wrote before, also to shared memory, can be read
// after. A block whose shared memory others read waits once more before it ends.
__device__ __forceinline__ void sync_cluster() {
  GAN_CLUSTER("barrier.cluster.arrive.release; barrier.cluster.wait.acquire;" ::: "memory");
}
// The same in two parts: says that this thread has come, and waits for the others to have. What is done in between
// waits for nobody.
__device__ __forceinline__ void arrive_at_cluster() {
  GAN_CLUSTER("barrier.cluster.arrive.release;" ::: "memory");
}
__device__ __forceinline__ void wait_for_cluster() {
  GAN_CLUSTER("barrier.cluster.wait.acquire;" ::: "memory");
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
