// How batch norm in training shares its tensors among blocks. Included by batch_norm_train.cu, which says why so.
#pragma once

#include <algorithm>
#include <bit>
#include <optional>

#include "kernels/cuda/channel_sums.cuh"
#include "kernels/cuda/dropout.cuh"

namespace gan::cuda {

// No more blocks of a grid than this: what scratch memory there is for their sums.
inline constexpr int64_t kMostBlocks = 192;
inline constexpr int64_t kMostKinds = 4;   // of pictures
inline constexpr int64_t kFewestRows = 4;  // of a thread of a grid, where a tensor has so many

// Of all kinds of pictures together.
inline int64_t most_chunks(const Shape& x) {
  // A block has at least kNormThreads / kGroupChannels rows of threads; each kind's last one may have fewer.
  return std::min(kMostBlocks, ceil_div(x.pixels(), kFewestRows * kNormThreads / kGroupChannels) +
                                   kMostKinds - 1);
}

// What a kernel goes over: `tensors` of them with packets of N elements of `bytes`, keeping so many parameters of
// every channel, with dropout or without; and so many kinds of pictures, of `rows` each, of which a thread takes
// `together`.
template <int N>
struct Work {
  int tensors, bytes, parameters;
  bool drops;
  int64_t kinds, rows, together;

  // Of shared memory: what every block has, and what each row of a stage needs.
  size_t fixed_bytes() const {
    return gpu::Smem::bytes<float>(sum_floats(N)) +
           gpu::Smem::bytes<float>(size_t{kGroupChannels} * parameters) +
           ClusterSums::kSharedBytes + gpu::Smem::bytes<uint8_t>(Drop::mask_bytes(drops));
  }
  size_t stage_bytes() const {
    return kStages * static_cast<size_t>(tensors) * kNormThreads * N * bytes;
  }
  // A stage's rows as far as shared memory has room: part of what is taken together, or whole ones.
  int64_t most_stage_rows() const {
    const size_t most = gpu::most_shared_bytes(), fixed = std::min(most, fixed_bytes());
    const auto room = static_cast<int64_t>((most - fixed) / stage_bytes());
    return room >= together ? room / together * together
                            : static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(room)));
  }
  // The rows of a stage that all stages together need for so many rows of a thread, or more.
  int64_t stage_rows_for(int64_t rows_of_thread) const {
    const int64_t wanted = ceil_div(rows_of_thread, int64_t{kStages});
    return wanted >= together ? ceil_div(wanted, together) * together
                              : static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(wanted)));
  }
  // Of a chunk of `size` rows, where `down` threads share it.
  int64_t rows_of_thread(int64_t size, int64_t down) const {
    return together * ceil_div(size / together, down);
  }
  size_t shared_bytes(int64_t stage_rows) const {
    return fixed_bytes() + static_cast<size_t>(stage_rows) * stage_bytes();
  }
};

struct NormLayout {
  gpu::Dim3 grid, block;
  size_t shared_bytes;
  Chunks chunks;
  int64_t stage_rows;
};

// Blocks of `across` x kNormThreads / across threads for chunks of `size` rows, their groups so many.
template <int N>
NormLayout norm_layout(const Work<N>& work, int64_t groups, int64_t across, int64_t size,
                       int64_t most_stage_rows) {
  const Chunks chunks = {work.rows, size, static_cast<int>(ceil_div(work.rows, size))};
  const int64_t down = kNormThreads / across;
  const int64_t stage_rows =
      std::min(most_stage_rows, work.stage_rows_for(work.rows_of_thread(size, down)));
  return {{groups, chunks.count, work.kinds},
          {across, down},
          work.shared_bytes(stage_rows),
          chunks,
          stage_rows};
}

// Packets next to each other that hold `channels`, as a power of two.
template <int N>
int64_t packets_across(int64_t channels) {
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(ceil_div(channels, N))));
}

// The blocks as clusters, if the rings hold all rows. A block reads 32 bytes of a row, a sector of memory, or half
// of one where more blocks are to share dropout's instructions; and more where there are more such groups of
// channels than an H200's multiprocessors can take at once.
template <int N>
std::optional<NormLayout> cluster_layout(const Work<N>& work, int64_t channels) {
  constexpr int64_t kMultiprocessors = 132;
  if (!gpu::has_clusters() || gpu::kMostInCluster % work.kinds != 0) return std::nullopt;
  const auto groups_of = [&](int64_t across) { return ceil_div(channels, N * across); };
  const int64_t widest = packets_across<N>(std::min<int64_t>(channels, kGroupChannels));
  const int64_t least = work.drops ? 16 : 32;
  int64_t across = std::min(widest, std::max<int64_t>(1, least / (N * work.bytes)));
  while (across < widest && groups_of(across) * gpu::kMostInCluster > kMultiprocessors) across *= 2;
  // One, two, four or eight chunks, a row or what is taken together for each thread at least.
  const int64_t down = kNormThreads / across, most = work.most_stage_rows();
  const int64_t pieces = work.rows / work.together;
  const auto full = static_cast<uint64_t>(std::max<int64_t>(1, pieces / down));
  const int64_t chunks =
      std::min(gpu::kMostInCluster / work.kinds, static_cast<int64_t>(std::bit_floor(full)));
  const int64_t size = work.together * std::max(down, ceil_div(pieces, chunks));
  if (work.rows_of_thread(size, down) > kStages * most) return std::nullopt;
  return norm_layout(work, groups_of(across), across, size, most);
}

// The channels of one launch.
struct Part {
  int64_t first, count;
  Tensor slice(const Tensor& tensor) const { return tensor.channels(first, count); }
  float* of(const Tensor& vector) const { return vector ? vector.as<float>() + first : nullptr; }
};

template <class... Tensors>
bool takes_packets(const Dropout& dropout, int n, const Tensors&... tensors) {
  const Layout layout = channel_layout(n, tensors...);
  return layout.packets && (!dropout || draws_packets(layout.rows, layout.columns));
}

// Calls launch(part, layout) with layouts of blocks that are all on the device at once until all channels are done,
// nearly always once.
template <int N, class Kernel, class Launch>
void for_grids(Kernel* kernel, const Work<N>& work, int64_t channels, Launch&& launch) {
  const int64_t room = work.most_stage_rows();
  const int64_t together =
      std::min(kMostBlocks, gpu::blocks_together(kernel, kNormThreads, work.shared_bytes(room)));
  const int64_t blocks = together / work.kinds;
  if (room < 1 || blocks < 1)
    throw DeviceError(str("batch norm in training needs ", work.shared_bytes(1),
                          " bytes of shared memory a block; this GPU has ",
                          gpu::most_shared_bytes()));
  for (Part part = {0, 0}; part.first < channels; part.first += part.count) {
    part.count = std::min(channels - part.first, blocks * kGroupChannels);
    const int64_t groups = ceil_div(part.count, kGroupChannels);
    const int64_t across = packets_across<N>(std::min<int64_t>(part.count, kGroupChannels));
    const int64_t fewest = kNormThreads / across * ceil_div(kFewestRows, work.together);
    const int64_t size =
        work.together * std::max(fewest, ceil_div(work.rows / work.together, blocks / groups));
    launch(part, norm_layout(work, groups, across, size, room));
  }
}

// Calls run(part, layout, launch) for clusters where they can be, else for grids; launch(bytes of shared memory,
// stream, arguments...) starts the kernel for these.
template <int N, class Kernel, class Run>
void for_blocks(const Work<N>& work, int64_t channels, Kernel* in_clusters, Kernel* in_grid,
                Run&& run) {
  const std::optional<NormLayout> layout = cluster_layout(work, channels);
  const auto cluster = [&] { return gpu::Dim3(1, layout->grid.y, layout->grid.z); };
  if (layout &&
      gpu::clusters_together(in_clusters, cluster(), layout->block, layout->shared_bytes) > 0) {
    run(Part{0, channels}, *layout, [&](auto... arguments) {
      gpu::launch_clusters(in_clusters, layout->grid, cluster(), layout->block, arguments...);
    });
    return;
  }
  for_grids(in_grid, work, channels, [&](const Part& part, const NormLayout& layout) {
    run(part, layout, [&](auto... arguments) {
      gpu::launch_together(in_grid, layout.grid, layout.block, arguments...);
    });
  });
}

}  // namespace gan::cuda
