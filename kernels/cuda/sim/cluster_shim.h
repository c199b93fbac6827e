// The simulator's side of cluster.h. Included by cluster.h only.
#pragma once

#include "kernels/cuda/gpu.h"

namespace gan::gpu {

template <class... Params, class... Args>
void launch_clusters(void (*kernel)(Params...), Dim3 grid, Dim3 cluster, Dim3 block,
                     size_t smem_bytes, Stream stream, Args... args) {
  check_clusters(grid, cluster);
  launch_as(sim::Company::cluster, cluster, kernel, grid, block, smem_bytes, stream, args...);
}

// One cluster comes after another.
template <class... Params>
int64_t clusters_together(void (*)(Params...), Dim3, Dim3, size_t) {
  return 1;
}

inline void arrive_at_cluster(Where where = Where::here()) {
  sim::arrive_at_cluster(where);
}
inline void wait_for_cluster(Where where = Where::here()) {
  sim::wait_for_cluster(where);
}
inline void sync_cluster(Where where = Where::here()) {
  sim::arrive_at_cluster(where);
  sim::wait_for_cluster(where);
}
template <class T>
const T* cluster_shared(const T* mine, int rank, Where where = Where::here()) {
  return static_cast<const T*>(sim::cluster_shared(mine, rank, where));
}

}  // namespace gan::gpu
