// Batch norm in training, forward and backward, over all m pixels of a channel, then an activation, dropout and
// perhaps average pooling. x, y, dy, dx: {N, H, W, C}; parameters and statistics: {1, 1, 1, C}.
//
//   mean = sum(x)/m, var = sum((x - mean)^2)/m, inv_std = 1/sqrt(var + eps)
//   xhat = (x - mean) * inv_std, z = gamma * xhat + beta, y = drop(z > 0 ? z : slope * z)
//   drop(v) = v / (1 - p) where an element is kept, 0 where it is dropped
//   backward, with dz = drop(dy) * act'(z):
//   dbeta = sum(dz), dgamma = sum(dz * xhat)
//   dx = gamma * inv_std * (dz - dbeta/m - xhat * dgamma/m)
//
// Both directions need sums over a tensor before they can use its first number, so they read it twice.
// Each is one kernel:
//
//   1. A block takes a chunk of rows and at most 64 channels. The rows pass through a ring of copies
//      to shared memory (row_ring.cuh) and are added up.
//   2. The blocks of a channel wait for each other, and each adds up the chunks of its channels, in
//      order, so that all blocks get the same (channel_sums.cuh).
//   3. A block takes its rows from the last to the first. The last are still in the ring; those before them
//      pass through it again, the first of them out of the L2 cache.
//
// How blocks wait for each other, which is most of a small tensor's time:
//
//   clusters  The chunks of some channels are at most eight, and their blocks a cluster, which meets in its
//             own shared memory. Where the rings hold all rows, on a device that has clusters.
//   the grid  One block on every multiprocessor, all of them at once; sums go through memory. On an H200 the
//             rings hold 26 MB and the L2 cache some 40 MB more, so that a tensor of up to 60 MB is
//             read from memory once, and 200 KB a multiprocessor are under way all the time.
//
// Memory is the limit: 2 to 3 s bytes an element forward, 3 to 5 s backward, for elements of s bytes. Measured on an
// H200 in bfloat16, all through the grid: dec3, {64, 128, 128, 64} (134 MB), 120 and 189 us; small tensors 10 to
// 15 us, the steps' latencies. Times of clusters are predictions: PREDICTIONS.md.
//
// Dropout (dropout.cuh) costs instructions only, most of them while memory is waited for; a kernel of its own
// would cost two accesses an element and a launch each way. Where y, and with it dy, is {N, H/2, W/2, C}, it is the
// averages of the above over 2x2 windows, of which a thread forward has all four rows, and backward each row takes a
// quarter of its window's dy: a quarter of the bytes of y and dy, instead of a pooling kernel's 5/4 each way.
//
// Statistics are one pass: a chunk adds up distances from the mean of four of its pixels and their squares, which
// cannot cancel as values with a large mean would, and the chunks' means are joined in the same way, as distances
// from the first chunk's (Chan, Golub and LeVeque 1979). Saved for the backward pass: mean and inv_std;
// z is computed again. How many chunks there are depends on the device, and with it the last digits of a sum.
#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/batch_norm.h"
#include "kernels/cuda/norm_layout.cuh"

namespace gan::cuda {
namespace {

constexpr int kShiftRows = 4;  // a power of two: dividing by it is exact

// What a block keeps of each of its channels.
enum Parameter : uint8_t { kMean, kScale, kBeta, kMeanDz, kByX };
constexpr int kForwardParameters = kBeta + 1, kBackwardParameters = kByX + 1;

// It lies in shared memory: a thread puts it for the channel whose sums it has, and loads those of the
// channels whose rows it has.
class ChannelTable {
 public:
  __device__ explicit ChannelTable(float* shared) : shared_(shared) {}
  __device__ void put(Parameter what, float value) {
    shared_[what * kGroupChannels + block_thread()] = value;
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

// The rows of this block's kind of pictures; `share`: pixels to a row.
template <class T>
__device__ __forceinline__ Rows<T> rows_of_kind(const Rows<T>& rows, const Chunks& chunks,
                                                int share = 1) {
  return {rows.data + blockIdx.z * (chunks.rows / share) * rows.pitch, rows.pitch};
}

// ---- Forward

struct Forward {
  const float *gamma, *beta;
  float *mean, *inv_std, *running_mean, *running_var;
  int64_t stride;  // from one kind's mean and inv_std to the next one's
  float eps, momentum, negative;
};

template <class T, int N, class Sums, class Order>
__global__ void __launch_bounds__(kNormThreads, 1)
    train_kernel(Rows<const T> x, int64_t columns, Chunks chunks, Order order, int stage_rows,
                 float* scratch, Forward p, Drop drop, Rows<T> y) {
  constexpr int kTogether = Order::kTogether;
  gpu::Smem memory;
  float* shared = memory.take<float>(sum_floats(N));
  ChannelTable table(memory.take<float>(kForwardParameters * kGroupChannels));
  Sums sums(memory, scratch, chunks, columns);
  uint8_t* masks = memory.take<uint8_t>(Drop::mask_bytes(drop.some));
  x = rows_of_kind(x, chunks);
  y = rows_of_kind(y, chunks, kTogether);
  const Rows<const T> from[1] = {x};
  RowRing<T, N, 1, Order> rows(from, chunks, order, stage_rows,
                               memory.take<T>(kStages * stage_rows * N * kNormThreads), columns);
  Dropper<N> dropper(drop, masks, rows.column());
  const auto chunk = static_cast<int>(blockIdx.y);
  const int channel = block_thread();  // as far as there are some
  const int64_t c = group_column<N>();
  const bool has_channel = channel < group_channels<N>() && c < columns;
  rows.begin();
  // Of a thread's channels, and of its own among the block's: the same bits.
  float shift[N] = {}, shift_of_channel = 0;
  GAN_UNROLL
  for (int i = 0; i < kShiftRows; ++i) {
    const int64_t row = order.row(chunks.first(chunk) + i * chunks.length(chunk) / kShiftRows);
    float v[N] = {};
    if (rows.columns() > 0) load(v, x.at(row, rows.column()), rows.columns());
    GAN_UNROLL
    for (int j = 0; j < N; ++j) shift[j] += v[j] * (1.0f / kShiftRows);
    if (has_channel) shift_of_channel += as_float(*x.at(row, c)) * (1.0f / kShiftRows);
  }
  float distances[2 * N] = {};  // from the shift, then their squares
  const float gamma = has_channel ? p.gamma[c] : 0.0f, beta = has_channel ? p.beta[c] : 0.0f;
  const WantedKinds kinds;
  float running_mean = 0, running_var = 0;
  if (kinds.leads && has_channel) {
    running_mean = p.running_mean[c];
    running_var = p.running_var[c];
  }
  dropper.draw_ahead(rows);
  rows.pass_down([&](const float(&v)[1][N], int, int64_t) {
    GAN_UNROLL
    for (int i = 0; i < N; ++i) {
      const float distance = v[0][i] - shift[i];
      distances[i] += distance;
      distances[N + i] += distance * distance;
    }
  });
  float total[2];
  sum_rows<N>(total, distances, shared);
  if (has_channel) {
    const float offset = total[0] / static_cast<float>(chunks.length(chunk));
    sums.put(channel, c, shift_of_channel + offset, total[1] - offset * total[0]);
  }
  sums.wait();

  const float pixels = static_cast<float>(chunks.rows), full = static_cast<float>(chunks.size);
  const float last = static_cast<float>(chunks.length(chunks.count - 1));
  for (int kind = kinds.own; kind < kinds.end; ++kind) {
    const float origin = c < columns ? sums.a(kind, 0, channel % group_channels<N>(), c) : 0.0f;
    float moments[2];  // of the chunks' distances from the first one's mean, of squares
    if (merge_chunks<N>(moments, sums, kind, chunks, columns, shared,
                        [&](int i, float mean, float squares, float(&sum)[2]) {
                          const float weight = i + 1 < chunks.count ? full : last;
                          const float distance = mean - origin;
                          sum[0] += weight * distance;
                          sum[1] += squares + weight * distance * distance;
                        })) {
      const float offset = moments[0] / pixels, mean = origin + offset;
      const float difference = moments[1] - offset * moments[0];
      const float squares = difference < 0 ? 0.0f : difference;  // what is no number stays none
      if (kind == kinds.own) {
        const float inv_std = 1.0f / sqrtf(squares / pixels + p.eps);
        table.put(kMean, mean);
        table.put(kScale, gamma * inv_std);
        table.put(kBeta, beta);
        if (blockIdx.y == 0) {
          p.mean[kind * p.stride + c] = mean;
          p.inv_std[kind * p.stride + c] = inv_std;
        }
      }
      if (kinds.leads) {
        const float unbiased = pixels > 1.0f ? squares / (pixels - 1.0f) : 0.0f;
        running_mean += p.momentum * (mean - running_mean);
        running_var += p.momentum * (unbiased - running_var);
      }
    }
    gpu::syncthreads();  // the table is there | the next kind takes the memory
  }
  sums.have_read();
  if (kinds.leads && has_channel) {
    p.running_mean[c] = running_mean;
    p.running_var[c] = running_var;
  }
  const Affine<N> affine(table);
  // Of the results that are taken together, in one stage or one stage after the other, the last first.
  float average[N] = {};
  const int begin = stage_rows < kTogether ? kTogether - stage_rows : 0;
  const int end = stage_rows < kTogether ? stage_rows - 1 : kTogether - 1;
  rows.pass_up([&](const float(&v)[1][N], int k, int64_t row) {
    float z[N];
    GAN_UNROLL
    for (int i = 0; i < N; ++i) {
      z[i] = affine.z(v[0][i], i);
      z[i] = z[i] > 0 ? z[i] : p.negative * z[i];
    }
    dropper.apply(z, k, row);
    if constexpr (kTogether == 1) {
      store(y.at(row, rows.column()), z, rows.columns());
    } else {
      GAN_UNROLL
      for (int i = 0; i < N; ++i)
        average[i] = (k % kTogether == begin ? 0.0f : average[i]) + z[i] * (1.0f / kTogether);
      if (k % kTogether == end)
        store(y.at(rows.average(k), rows.column()), average, rows.columns());
    }
  });
  sums.leave();
}

// ---- Backward

struct Backward {
  const float *gamma, *beta, *mean, *inv_std;
  int64_t stride;         // from one kind's mean and inv_std to the next one's
  float *dgamma, *dbeta;  // null where nobody wants them
  bool accumulate;
  float negative;
};

// dx = scale * ((dz - mean_dz) + (x - mean) * by_x). The differences come before the factor, which may be
// 300: of a channel of one pixel nothing is left, as it has to be.
template <class T, int N, class Sums, class Order>
__global__ void __launch_bounds__(kNormThreads, 1)
    backward_kernel(Rows<const T> x, Rows<const T> dy, int64_t columns, Chunks chunks, Order order,
                    int stage_rows, float* scratch, Backward p, Drop drop, Rows<T> dx) {
  constexpr int kShare = Order::kSecondShare;  // of a dy, pixels
  gpu::Smem memory;
  float* shared = memory.take<float>(sum_floats(N));
  ChannelTable table(memory.take<float>(kBackwardParameters * kGroupChannels));
  Sums sums(memory, scratch, chunks, columns);
  uint8_t* masks = memory.take<uint8_t>(Drop::mask_bytes(drop.some));
  dx = rows_of_kind(dx, chunks);
  const Rows<const T> from[2] = {rows_of_kind(x, chunks), rows_of_kind(dy, chunks, kShare)};
  RowRing<T, N, 2, Order> rows(from, chunks, order, stage_rows,
                               memory.take<T>(2 * kStages * stage_rows * N * kNormThreads),
                               columns);
  Dropper<N> dropper(drop, masks, rows.column());
  const int channel = block_thread();  // as far as there are some
  const int64_t c = group_column<N>();
  const bool has_channel = channel < group_channels<N>() && c < columns;
  rows.begin();
  if (has_channel) {
    const int64_t of_kind = blockIdx.z * p.stride + c;
    table.put(kMean, p.mean[of_kind]);
    table.put(kScale, p.gamma[c] * p.inv_std[of_kind]);
    table.put(kBeta, p.beta[c]);
  }
  dropper.draw_ahead(rows);
  gpu::syncthreads();
  float of_rows[2 * N] = {};  // of dz, then of dz * (x - mean)
  const Affine<N> first(table);
  // Of dy, what the activation's result gets.
  const auto take_share = [&](float(&dy)[N], int k, int64_t row) {
    GAN_UNROLL
    for (int i = 0; i < N; ++i) dy[i] *= 1.0f / kShare;
    dropper.apply(dy, k, row);
  };
  rows.pass_down([&](float(&v)[2][N], int k, int64_t row) {
    take_share(v[1], k, row);
    GAN_UNROLL
    for (int i = 0; i < N; ++i) {
      const float dz = first.z(v[0][i], i) > 0 ? v[1][i] : v[1][i] * p.negative;
      of_rows[i] += dz;
      of_rows[N + i] += dz * (v[0][i] - first.mean[i]);
    }
  });
  float total[2];
  sum_rows<N>(total, of_rows, shared);
  if (has_channel) sums.put(channel, c, total[0], total[1]);
  sums.wait();

  float dgamma = 0, dbeta = 0;
  const WantedKinds kinds;
  for (int kind = kinds.own; kind < kinds.end; ++kind) {
    float gradients[2];
    if (merge_chunks<N>(gradients, sums, kind, chunks, columns, shared,
                        [](int, float dz, float product, float(&sum)[2]) {
                          sum[0] += dz;
                          sum[1] += product;
                        })) {
      const float share = 1.0f / static_cast<float>(chunks.rows);
      const float inv_std = p.inv_std[kind * p.stride + c], by_gamma = gradients[1] * inv_std;
      dgamma += by_gamma;
      dbeta += gradients[0];
      if (kind == kinds.own) {
        table.put(kMeanDz, gradients[0] * share);
        table.put(kByX, -by_gamma * inv_std * share);
      }
    }
    gpu::syncthreads();  // the table is there | the next kind takes the memory
  }
  sums.have_read();
  if (kinds.leads && has_channel) {
    if (p.dbeta) p.dbeta[c] = dbeta + (p.accumulate ? p.dbeta[c] : 0.0f);
    if (p.dgamma) p.dgamma[c] = dgamma + (p.accumulate ? p.dgamma[c] : 0.0f);
  }
  const Affine<N> again(table);  // spares the registers in between
  float mean_dz[N], by_x[N];
  table.load(mean_dz, kMeanDz);
  table.load(by_x, kByX);
  rows.pass_up([&](float(&v)[2][N], int k, int64_t row) {
    take_share(v[1], k, row);
    float d[N];
    GAN_UNROLL
    for (int i = 0; i < N; ++i) {
      const float dz = again.z(v[0][i], i) > 0 ? v[1][i] : v[1][i] * p.negative;
      d[i] = again.scale[i] * ((dz - mean_dz[i]) + (v[0][i] - again.mean[i]) * by_x[i]);
    }
    store(dx.at(row, rows.column()), d, rows.columns());
  });
  sums.leave();
}

// ---- Host

// Calls run.operator()<T, N>(order) for tensors of x's pixels and `y`, of x's own shape or its averages: in packets of
// N elements of type T, in order or, of averages, Averaged.
template <class Averaged, class Run, class... Tensors>
void with_order(const char* operation, const Dropout& dropout, Run&& run, const Tensor& x,
                const Tensor& y, const Tensors&... others) {
  const auto with_width_of = [&](auto order) {
    with_storage_type(x.dtype(), [&]<class T>(T) {
      with_width<kPacket<T>>(takes_packets(dropout, kPacket<T>, x, y, others...),
                             [&]<int N>() { run.template operator()<T, N>(order); });
    });
  };
  if (!pooled(operation, x.shape(), y.shape())) return with_width_of(InOrder{});
  require(x.shape().pixels() <= INT32_MAX, operation, ": too many pictures in ", x.shape());
  with_width_of(Averaged{static_cast<uint32_t>(x.shape().w)});
}

// Pixels of each kind.
int64_t rows_of_kinds(const Tensor& x, const BatchNormSaved& saved) {
  const int64_t kinds = saved.kinds();
  require(kinds >= 1 && kinds <= kMostKinds && x.shape().n % kinds == 0, "batch norm of ",
          x.shape().n, " pictures of ", kinds, " kinds; at most ", kMostKinds,
          ", equally many pictures of each");
  const Shape statistics = {kinds, 1, 1, x.shape().c};
  check_shape("batch norm", "mean", saved.mean, statistics);
  check_shape("batch norm", "inv_std", saved.inv_std, statistics);
  return x.shape().pixels() / kinds;
}

}  // namespace

size_t batch_norm_scratch_bytes(const Shape& x) {
  return static_cast<size_t>(2 * most_chunks(x) * x.c) * sizeof(float);
}

void batch_norm_train(const Tensor& x, const BatchNorm& norm, Activation act,
                      const Dropout& dropout, const BatchNormSaved& saved, const Tensor& y,
                      void* scratch, gpu::Stream stream) {
  check_vectors("batch norm", x.shape().c,
                {{"gamma", &norm.gamma},
                 {"beta", &norm.beta},
                 {"running_mean", &norm.running_mean},
                 {"running_var", &norm.running_var}});
  const int64_t rows = rows_of_kinds(x, saved);
  const auto run = [&]<class T, int N, class Order>(Order order) {
    const Work<N> work = {
        1,    sizeof(T),       kForwardParameters, static_cast<bool>(dropout), saved.kinds(),
        rows, Order::kTogether};
    for_blocks(work, x.shape().c, train_kernel<T, N, ClusterSums, Order>,
               train_kernel<T, N, GridSums, Order>,
               [&](const Part& part, const NormLayout& layout, auto&& launch) {
                 const Forward parameters = {part.of(norm.gamma),
                                             part.of(norm.beta),
                                             part.of(saved.mean),
                                             part.of(saved.inv_std),
                                             part.of(norm.running_mean),
                                             part.of(norm.running_var),
                                             x.shape().c,
                                             static_cast<float>(norm.eps),
                                             static_cast<float>(norm.momentum),
                                             negative_slope(act)};
                 launch(layout.shared_bytes, stream, input<T>(part.slice(x)), part.count,
                        layout.chunks, order, layout.stage_rows, static_cast<float*>(scratch),
                        parameters, Drop(dropout, part.first, x.shape().c),
                        output<T>(part.slice(y)));
               });
  };
  with_order<ByWindows>("batch norm", dropout, run, x, y);
}

void batch_norm_backward(const Tensor& x, const Tensor& dy, const BatchNorm& norm, Activation act,
                         const Dropout& dropout, const BatchNormSaved& saved, const Tensor& dx,
                         const Tensor& dgamma, const Tensor& dbeta, Write write, void* scratch,
                         gpu::Stream stream) {
  check_shape("batch norm backward", "dx", dx, x.shape());
  if (dgamma) check_vectors("batch norm backward", x.shape().c, {{"dgamma", &dgamma}});
  if (dbeta) check_vectors("batch norm backward", x.shape().c, {{"dbeta", &dbeta}});
  check_vectors("batch norm backward", x.shape().c, {{"gamma", &norm.gamma}, {"beta", &norm.beta}});
  const int64_t rows = rows_of_kinds(x, saved);
  const auto run = [&]<class T, int N, class Order>(Order order) {
    const Work<N> work = {
        2,    sizeof(T),       kBackwardParameters, static_cast<bool>(dropout), saved.kinds(),
        rows, Order::kTogether};
    for_blocks(work, x.shape().c, backward_kernel<T, N, ClusterSums, Order>,
               backward_kernel<T, N, GridSums, Order>,
               [&](const Part& part, const NormLayout& layout, auto&& launch) {
                 const Backward parameters = {part.of(norm.gamma), part.of(norm.beta),
                                              part.of(saved.mean), part.of(saved.inv_std),
                                              x.shape().c,         part.of(dgamma),
                                              part.of(dbeta),      write == Write::accumulate,
                                              negative_slope(act)};
                 launch(layout.shared_bytes, stream, input<T>(part.slice(x)),
                        input<T>(part.slice(dy)), part.count, layout.chunks, order,
                        layout.stage_rows, static_cast<float*>(scratch), parameters,
                        Drop(dropout, part.first, x.shape().c), output<T>(part.slice(dx)));
               });
  };
  with_order<InOrderOverWindows>("batch norm backward", dropout, run, x, dy, dx);
}

}  // namespace gan::cuda
