// Batch norm in training, forward and backward, over all m pixels of a channel, then an activation.
// x, y, dy, dx: {N, H, W, C}; parameters and statistics: {1, 1, 1, C}.
//
//   mean = sum(x)/m, var = sum((x - mean)^2)/m, inv_std = 1/sqrt(var + eps)
//   xhat = (x - mean) * inv_std, z = gamma * xhat + beta, y = z > 0 ? z : slope * z
//   backward, with dz = dy * act'(z):
//   dbeta = sum(dz), dgamma = sum(dz * xhat)
//   dx = gamma * inv_std * (dz - dbeta/m - xhat * dgamma/m)
//
// Both directions need sums over a tensor before they can use its first number, so they read it twice.
// Each is one kernel whose blocks are all on the device at once, one on every multiprocessor:
//
//   1. A block takes a chunk of rows and at most 64 channels. The rows pass through a ring of copies
//      to shared memory, as large as shared memory allows, and are added up.
//   2. The chunks' sums go to memory, and all blocks wait for each other.
//   3. Every block adds up the chunks of its channels, in order, so that all blocks get the same.
//   4. It takes its rows from the last to the first. The last are still in the ring; those before them
//      pass through it again, the first of them out of the L2 cache.
//
// On an H200 the rings hold 26 MB and the L2 cache some 40 MB more, so that a tensor of up to 60 MB is
// read from memory once, and 200 KB a multiprocessor are under way all the time. Memory is the limit: 2 to
// 3 s bytes an element forward, 3 to 5 s backward, for elements of s bytes. Measured there in bfloat16: dec3,
// {64, 128, 128, 64} (134 MB), 120 and 189 us; small tensors take the 10 to 15 us of the steps' latencies.
//
// Statistics are one pass: a chunk adds up distances from its first pixel and their squares, which cannot
// cancel as values with a large mean would, and the chunks' means are joined in the same way, as distances
// from the first chunk's (Chan, Golub and LeVeque 1979). Saved for the backward pass: mean and inv_std;
// z is computed again. How many chunks there are depends on the device, and with it the last digits of a sum.
#include <bit>

#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/batch_norm.h"
#include "kernels/cuda/rows.cuh"

namespace gan::cuda {
namespace {

constexpr int kNormThreads = 512;   // of a block, with up to 128 registers each
constexpr int kGroupChannels = 64;  // of a block: 128 bytes of bfloat16
// No more blocks than this: what scratch memory there is for their sums.
constexpr int64_t kMostBlocks = 192;
constexpr int64_t kFewestRows = 4;  // of a thread, where a tensor has so many
constexpr int kStages = 4;          // of the ring; all but one are under way while one is used

// Threads that add up the chunks of one channel, and how many chunks each loads at once: 132 blocks
// are 17 for each.
constexpr int kMergeRows = kNormThreads / kGroupChannels, kMergeBatch = 17;

// ---- The ring

// The rows of one thread in `Tensors` tensors of the same shape: every blockDim.y-th of a chunk, N
// channels of each, in stages of some rows. Nothing is shared with other threads.
template <class T, int N, int Tensors>
class RowRing {
 public:
  // `shared` has room for kStages x stage_rows packets of each tensor and thread of the block.
  __device__ RowRing(const Rows<const T> (&from)[Tensors], const Chunks& chunks, int stage_rows,
                     T* shared, int64_t columns)
      : shared_(shared),
        first_(chunks.first(static_cast<int>(blockIdx.y)) + threadIdx.y),
        column_(kGroupChannels * int64_t{blockIdx.x} + N * int64_t{threadIdx.x}),
        stage_rows_(stage_rows) {
    const int64_t rows = chunks.length(static_cast<int>(blockIdx.y));
    count_ = columns - column_ < N ? static_cast<int>(columns - column_) : N;
    if (count_ > 0 && rows > threadIdx.y)
      rows_ = static_cast<int>((rows - 1 - threadIdx.y) / blockDim.y) + 1;
    stages_ = (rows_ + stage_rows - 1) / stage_rows;
    GAN_UNROLL
    for (int t = 0; t < Tensors; ++t) from_[t] = from[t];
  }

  __device__ int64_t column() const { return column_; }
  // Of N; none or less in a thread without channels.
  __device__ int columns() const { return count_; }

  // Sends for the first rows. The two passes have to follow.
  __device__ __forceinline__ void begin() {
    for (int stage = 0; stage < kStages; ++stage) fetch(stage);
  }

  // use(values, row) for every row, from the first to the last.
  template <class Use>
  __device__ __forceinline__ void pass_down(Use&& use) {
    for (int stage = 0; stage < stages_; ++stage) {
      gpu::cp_async_wait<kStages - 1>();
      use_stage(stage, use);
      fetch(stage + kStages);
    }
  }

  // The same from the last to the first, stage by stage. The last kStages are there.
  template <class Use>
  __device__ __forceinline__ void pass_up(Use&& use) {
    for (int stage = stages_ - 1; stage >= 0; --stage) {
      gpu::cp_async_wait<kStages - 1>();
      use_stage(stage, use);
      fetch(stage - kStages);
    }
    gpu::cp_async_wait<0>();
  }

 private:
  __device__ int64_t row(int k) const { return first_ + int64_t{k} * blockDim.y; }
  // Calls body(row, its place in the ring) for the rows of a stage, if there is one.
  template <class Body>
  __device__ __forceinline__ void for_stage(int stage, Body&& body) const {
    const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
    const int first = stage * stage_rows_, left = rows_ - first;
    const int count = left < stage_rows_ ? left : stage_rows_;
    T* place = shared_ + ((stage % kStages) * stage_rows_ * Tensors * kNormThreads + thread) * N;
    for (int i = 0; i < count; ++i, place += Tensors * kNormThreads * N)
      body(row(first + i), place);
  }

  // Copies that belong together, even if there is no such stage: so each stage is one more of them.
  __device__ __forceinline__ void fetch(int stage) {
    if (stage >= 0) {
      for_stage(stage, [&](int64_t row, T* place) {
        GAN_UNROLL
        for (int t = 0; t < Tensors; ++t) {
          const T* const from = from_[t].at(row, column_);
          T* const to = place + t * kNormThreads * N;
          if constexpr (N * sizeof(T) == 16)
            gpu::cp_async<16>(to, from, count_ * static_cast<int>(sizeof(T)));
          else  // too small for such copies
            gpu::store_packet(to, load_packed<N>(from, count_));
        }
      });
    }
    gpu::cp_async_commit();
  }

  template <class Use>
  __device__ __forceinline__ void use_stage(int stage, Use&& use) {
    for_stage(stage, [&](int64_t row, const T* place) {
      float v[Tensors][N];
      GAN_UNROLL
      for (int t = 0; t < Tensors; ++t)
        unpack(v[t], gpu::load_packet<T, N>(place + t * kNormThreads * N));
      use(v, row);
    });
  }

  Rows<const T> from_[Tensors];
  T* shared_;
  int64_t first_, column_;
  int stage_rows_, stages_, count_, rows_ = 0;
};

// ---- Sums of all chunks

// Two numbers for every chunk and channel: a[chunk * columns + c].
struct ChunkSums {
  float *a, *b;
};

// term(chunk, a, b, total) adds a chunk's numbers of channel `column`, which is this thread's merge_column(),
// to a total. The totals over all chunks are those of the first kGroupChannels threads; true in these, where
// there is such a channel.
template <class Term>
__device__ __forceinline__ bool merge_chunks(float (&total)[2], const ChunkSums& sums,
                                             const Chunks& chunks, int64_t columns, int64_t column,
                                             float* shared, Term&& term) {
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  const int part = thread / kGroupChannels;
  total[0] = total[1] = 0;
  if (column < columns) {
    for (int first = part; first < chunks.count; first += kMergeRows * kMergeBatch) {
      float a[kMergeBatch], b[kMergeBatch];
      GAN_UNROLL
      for (int i = 0; i < kMergeBatch; ++i) {
        const int chunk = first + i * kMergeRows;
        a[i] = chunk < chunks.count ? sums.a[chunk * columns + column] : 0.0f;
        b[i] = chunk < chunks.count ? sums.b[chunk * columns + column] : 0.0f;
      }
      GAN_UNROLL
      for (int i = 0; i < kMergeBatch; ++i) {
        const int chunk = first + i * kMergeRows;
        if (chunk < chunks.count) term(chunk, a[i], b[i], total);
      }
    }
  }
  combine_tree(total, part, kMergeRows, shared + thread % kGroupChannels, kGroupChannels,
               [](float(&to)[2], const float(&from)[2]) { add_values(to, from); });
  return part == 0 && column < columns;
}

// The channel whose sums a thread adds up.
__device__ __forceinline__ int64_t merge_column() {
  const auto thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  return kGroupChannels * int64_t{blockIdx.x} + thread % kGroupChannels;
}

// What a block keeps of each of its channels.
enum Parameter : uint8_t { kMean, kScale, kBeta, kMeanDz, kByX };
constexpr int kForwardParameters = kBeta + 1, kBackwardParameters = kByX + 1;

// It lies in shared memory: a thread puts it for the channel whose sums it adds up, and loads those of the
// channels whose rows it has.
class ChannelTable {
 public:
  __device__ explicit ChannelTable(float* shared) : shared_(shared) {}
  __device__ void put(Parameter what, float value) {
    shared_[what * kGroupChannels + (threadIdx.y * blockDim.x + threadIdx.x) % kGroupChannels] =
        value;
  }
  template <int N>
  __device__ __forceinline__ void load(float (&v)[N], Parameter what) const {
    GAN_UNROLL
    for (int i = 0; i < N; ++i) v[i] = shared_[what * kGroupChannels + N * threadIdx.x + i];
  }

 private:
  float* shared_;
};

// z = (x - mean) * scale + beta for a thread's channels.
template <int N>
struct Affine {
  __device__ __forceinline__ explicit Affine(const ChannelTable& table) {
    table.load(mean, kMean);
    table.load(scale, kScale);
    table.load(beta, kBeta);
  }
  __device__ __forceinline__ float z(float x, int i) const {
    return (x - mean[i]) * scale[i] + beta[i];
  }

  float mean[N], scale[N], beta[N];
};

// ---- Forward

struct Forward {
  const float *gamma, *beta;
  float *mean, *inv_std, *running_mean, *running_var;
  float eps, momentum, negative;
};

template <class T, int N>
__global__ void __launch_bounds__(kNormThreads, 1)
    train_kernel(Rows<const T> x, int64_t columns, Chunks chunks, int stage_rows, ChunkSums sums,
                 Forward p, Rows<T> y) {
  gpu::Smem memory;
  float* shared = memory.take<float>(2 * N * kNormThreads);
  ChannelTable table(memory.take<float>(kForwardParameters * kGroupChannels));
  const Rows<const T> from[1] = {x};
  RowRing<T, N, 1> rows(from, chunks, stage_rows,
                        memory.take<T>(kStages * stage_rows * N * kNormThreads), columns);
  const auto chunk = static_cast<int>(blockIdx.y);
  rows.begin();
  float first[N] = {}, total[2 * N] = {};  // of distances, then of their squares
  if (rows.columns() > 0) load(first, x.at(chunks.first(chunk), rows.column()), rows.columns());
  rows.pass_down([&](const float(&v)[1][N], int64_t) {
    GAN_UNROLL
    for (int i = 0; i < N; ++i) {
      const float distance = v[0][i] - first[i];
      total[i] += distance;
      total[N + i] += distance * distance;
    }
  });
  sum_over_y(total, shared);
  if (threadIdx.y == 0) {
    const float pixels = static_cast<float>(chunks.length(chunk));
    GAN_UNROLL
    for (int i = 0; i < N; ++i) {
      if (i >= rows.columns()) break;
      const float offset = total[i] / pixels;
      sums.a[chunk * columns + rows.column() + i] = first[i] + offset;
      sums.b[chunk * columns + rows.column() + i] = total[N + i] - offset * total[i];
    }
  }
  const int64_t c = merge_column();
  const float gamma = c < columns ? p.gamma[c] : 0.0f, beta = c < columns ? p.beta[c] : 0.0f;
  gpu::sync_grid();

  // `shared` is free again: the grid's barrier is one of the block, too.
  const float origin = c < columns ? sums.a[c] : 0.0f;
  float moments[2];  // of the chunks' distances from the first one's mean, of squares
  if (merge_chunks(moments, sums, chunks, columns, c, shared,
                   [&](int i, float mean, float squares, float(&sum)[2]) {
                     const float weight = static_cast<float>(chunks.length(i));
                     const float distance = mean - origin;
                     sum[0] += weight * distance;
                     sum[1] += squares + weight * distance * distance;
                   })) {
    const float pixels = static_cast<float>(chunks.rows);
    const float offset = moments[0] / pixels, mean = origin + offset;
    const float difference = moments[1] - offset * moments[0];
    const float squares = difference < 0 ? 0.0f : difference;  // what is no number stays none
    const float inv_std = 1.0f / sqrtf(squares / pixels + p.eps);
    table.put(kMean, mean);
    table.put(kScale, gamma * inv_std);
    table.put(kBeta, beta);
    if (blockIdx.y == 0) {
      const float unbiased = pixels > 1.0f ? squares / (pixels - 1.0f) : 0.0f;
      p.mean[c] = mean;
      p.inv_std[c] = inv_std;
      p.running_mean[c] += p.momentum * (mean - p.running_mean[c]);
      p.running_var[c] += p.momentum * (unbiased - p.running_var[c]);
    }
  }
  gpu::syncthreads();
  const Affine<N> affine(table);
  rows.pass_up([&](const float(&v)[1][N], int64_t row) {
    float z[N];
    GAN_UNROLL
    for (int i = 0; i < N; ++i) {
      z[i] = affine.z(v[0][i], i);
      z[i] = z[i] > 0 ? z[i] : p.negative * z[i];
    }
    store(y.at(row, rows.column()), z, rows.columns());
  });
}

// ---- Backward

struct Backward {
  const float *gamma, *beta, *mean, *inv_std;
  float *dgamma, *dbeta;  // null where nobody wants them
  bool accumulate;
  float negative;
};

// dx = scale * ((dz - mean_dz) + (x - mean) * by_x). The differences come before the factor, which may be
// 300: of a channel of one pixel nothing is left, as it has to be.
template <class T, int N>
__global__ void __launch_bounds__(kNormThreads, 1)
    backward_kernel(Rows<const T> x, Rows<const T> dy, int64_t columns, Chunks chunks,
                    int stage_rows, ChunkSums sums, Backward p, Rows<T> dx) {
  gpu::Smem memory;
  float* shared = memory.take<float>(2 * N * kNormThreads);
  ChannelTable table(memory.take<float>(kBackwardParameters * kGroupChannels));
  const Rows<const T> from[2] = {x, dy};
  RowRing<T, N, 2> rows(from, chunks, stage_rows,
                        memory.take<T>(2 * kStages * stage_rows * N * kNormThreads), columns);
  const auto chunk = static_cast<int>(blockIdx.y);
  rows.begin();
  const int64_t c = merge_column();
  if (c < columns && threadIdx.y * blockDim.x + threadIdx.x < kGroupChannels) {
    table.put(kMean, p.mean[c]);
    table.put(kScale, p.gamma[c] * p.inv_std[c]);
    table.put(kBeta, p.beta[c]);
  }
  gpu::syncthreads();
  float total[2 * N] = {};  // of dz, then of dz * (x - mean)
  const Affine<N> first(table);
  rows.pass_down([&](const float(&v)[2][N], int64_t) {
    GAN_UNROLL
    for (int i = 0; i < N; ++i) {
      const float dz = first.z(v[0][i], i) > 0 ? v[1][i] : v[1][i] * p.negative;
      total[i] += dz;
      total[N + i] += dz * (v[0][i] - first.mean[i]);
    }
  });
  sum_over_y(total, shared);
  if (threadIdx.y == 0) {
    GAN_UNROLL
    for (int i = 0; i < N; ++i) {
      if (i >= rows.columns()) break;
      sums.a[chunk * columns + rows.column() + i] = total[i];
      sums.b[chunk * columns + rows.column() + i] = total[N + i];
    }
  }
  gpu::sync_grid();

  float gradients[2];
  if (merge_chunks(gradients, sums, chunks, columns, c, shared,
                   [](int, float dz, float product, float(&sum)[2]) {
                     sum[0] += dz;
                     sum[1] += product;
                   })) {
    const float share = 1.0f / static_cast<float>(chunks.rows), inv_std = p.inv_std[c];
    const float dgamma = gradients[1] * inv_std;
    table.put(kMeanDz, gradients[0] * share);
    table.put(kByX, -dgamma * inv_std * share);
    if (blockIdx.y == 0) {
      if (p.dbeta) p.dbeta[c] = gradients[0] + (p.accumulate ? p.dbeta[c] : 0.0f);
      if (p.dgamma) p.dgamma[c] = dgamma + (p.accumulate ? p.dgamma[c] : 0.0f);
    }
  }
  gpu::syncthreads();
  const Affine<N> again(table);  // spares the registers in between
  float mean_dz[N], by_x[N];
  table.load(mean_dz, kMeanDz);
  table.load(by_x, kByX);
  rows.pass_up([&](const float(&v)[2][N], int64_t row) {
    float d[N];
    GAN_UNROLL
    for (int i = 0; i < N; ++i) {
      const float dz = again.z(v[0][i], i) > 0 ? v[1][i] : v[1][i] * p.negative;
      d[i] = again.scale[i] * ((dz - mean_dz[i]) + (v[0][i] - again.mean[i]) * by_x[i]);
    }
    store(dx.at(row, rows.column()), d, rows.columns());
  });
}

// ---- Host

int64_t most_chunks(const Shape& x) {
  // A block has at least kNormThreads / kGroupChannels rows of threads.
  return std::min(kMostBlocks, ceil_div(x.pixels(), kFewestRows * kNormThreads / kGroupChannels));
}

// How a kernel goes over so many channels.
struct NormLayout {
  gpu::Dim3 grid, block;
  size_t shared_bytes;
  Chunks chunks;
  int stage_rows;
};

// The channels of one launch.
struct Part {
  int64_t first, count;
  Tensor slice(const Tensor& tensor) const { return tensor.channels(first, count); }
  float* of(const Tensor& vector) const { return vector ? vector.as<float>() + first : nullptr; }
};

// Calls launch(part, layout) until all channels of a shape are done, nearly always once. `kernel` goes over
// `tensors` tensors with packets of N elements of `bytes`, keeping so many parameters of every channel.
template <int N, class Kernel, class Launch>
void for_channels(Kernel* kernel, const Shape& shape, int tensors, int bytes, int parameters,
                  Launch&& launch) {
  const size_t fixed = gpu::Smem::bytes<float>(2 * N * kNormThreads) +
                       gpu::Smem::bytes<float>(size_t{kGroupChannels} * parameters);
  const size_t stage = kStages * static_cast<size_t>(tensors) * kNormThreads * N * bytes;
  const size_t most = gpu::most_shared_bytes();
  const int64_t room = most < fixed ? 0 : static_cast<int64_t>((most - fixed) / stage);
  const int64_t blocks = std::min(
      kMostBlocks,
      gpu::blocks_together(kernel, kNormThreads, fixed + static_cast<size_t>(room) * stage));
  if (room < 1 || blocks < 1)
    throw DeviceError(str("batch norm in training needs ", fixed + stage,
                          " bytes of shared memory a block; this GPU has ", most));
  const int64_t rows = shape.pixels();
  for (Part part = {0, 0}; part.first < shape.c; part.first += part.count) {
    part.count = std::min(shape.c - part.first, blocks * kGroupChannels);
    const int64_t groups = ceil_div(part.count, kGroupChannels);
    const auto packets =
        static_cast<uint64_t>(ceil_div(std::min<int64_t>(part.count, kGroupChannels), N));
    const auto across = static_cast<int64_t>(std::bit_ceil(packets)), down = kNormThreads / across;
    const int64_t size = std::max(down * kFewestRows, ceil_div(rows, blocks / groups));
    const Chunks chunks = {rows, size, static_cast<int>(ceil_div(rows, size))};
    const int64_t stage_rows = std::min(room, ceil_div(ceil_div(size, down), kStages));
    launch(part, NormLayout{{groups, chunks.count},
                            {across, down},
                            fixed + static_cast<size_t>(stage_rows) * stage,
                            chunks,
                            static_cast<int>(stage_rows)});
  }
}

ChunkSums chunk_sums(void* scratch, const Chunks& chunks, int64_t columns) {
  auto* const first = static_cast<float*>(scratch);
  return {first, first + chunks.count * columns};
}

}  // namespace

size_t batch_norm_scratch_bytes(const Shape& x) {
  return static_cast<size_t>(2 * most_chunks(x) * x.c) * sizeof(float);
}

void batch_norm_train(const Tensor& x, const BatchNorm& norm, Activation act,
                      const BatchNormSaved& saved, const Tensor& y, void* scratch,
                      gpu::Stream stream) {
  check_shape("batch norm", "y", y, x.shape());
  check_vectors("batch norm", x.shape().c,
                {{"gamma", &norm.gamma},
                 {"beta", &norm.beta},
                 {"running_mean", &norm.running_mean},
                 {"running_var", &norm.running_var},
                 {"mean", &saved.mean},
                 {"inv_std", &saved.inv_std}});
  with_storage_type(x.dtype(), [&]<class T>(T) {
    with_width<kPacket<T>>(channel_layout(kPacket<T>, x, y).packets, [&]<int N>() {
      const auto kernel = train_kernel<T, N>;
      const auto launch = [&](const Part& part, const NormLayout& layout) {
        const Forward parameters = {part.of(norm.gamma),          part.of(norm.beta),
                                    part.of(saved.mean),          part.of(saved.inv_std),
                                    part.of(norm.running_mean),   part.of(norm.running_var),
                                    static_cast<float>(norm.eps), static_cast<float>(norm.momentum),
                                    negative_slope(act)};
        gpu::launch_together(kernel, layout.grid, layout.block, layout.shared_bytes, stream,
                             input<T>(part.slice(x)), part.count, layout.chunks, layout.stage_rows,
                             chunk_sums(scratch, layout.chunks, part.count), parameters,
                             output<T>(part.slice(y)));
      };
      for_channels<N>(kernel, x.shape(), 1, sizeof(T), kForwardParameters, launch);
    });
  });
}

void batch_norm_backward(const Tensor& x, const Tensor& dy, const BatchNorm& norm, Activation act,
                         const BatchNormSaved& saved, const Tensor& dx, const Tensor& dgamma,
                         const Tensor& dbeta, Write write, void* scratch, gpu::Stream stream) {
  check_shape("batch norm backward", "dy", dy, x.shape());
  check_shape("batch norm backward", "dx", dx, x.shape());
  if (dgamma) check_vectors("batch norm backward", x.shape().c, {{"dgamma", &dgamma}});
  if (dbeta) check_vectors("batch norm backward", x.shape().c, {{"dbeta", &dbeta}});
  check_vectors("batch norm backward", x.shape().c,
                {{"gamma", &norm.gamma},
                 {"beta", &norm.beta},
                 {"mean", &saved.mean},
                 {"inv_std", &saved.inv_std}});
  with_storage_type(x.dtype(), [&]<class T>(T) {
    with_width<kPacket<T>>(channel_layout(kPacket<T>, x, dy, dx).packets, [&]<int N>() {
      const auto kernel = backward_kernel<T, N>;
      const auto launch = [&](const Part& part, const NormLayout& layout) {
        const Backward parameters = {
            part.of(norm.gamma),        part.of(norm.beta), part.of(saved.mean),
            part.of(saved.inv_std),     part.of(dgamma),    part.of(dbeta),
            write == Write::accumulate, negative_slope(act)};
        gpu::launch_together(
            kernel, layout.grid, layout.block, layout.shared_bytes, stream, input<T>(part.slice(x)),
            input<T>(part.slice(dy)), part.count, layout.chunks, layout.stage_rows,
            chunk_sums(scratch, layout.chunks, part.count), parameters, output<T>(part.slice(dx)));
      };
      for_channels<N>(kernel, x.shape(), 2, sizeof(T), kBackwardParameters, launch);
    });
  });
}

}  // namespace gan::cuda
