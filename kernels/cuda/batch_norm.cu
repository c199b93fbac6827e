// Batch norm over all m pixels of a channel, then an activation. x, y, dy, dx: {N, H, W, C};
// parameters and statistics: {1, 1, 1, C}.
//
//   mean = sum(x)/m, var = sum((x - mean)^2)/m, inv_std = 1/sqrt(var + eps)
//   xhat = (x - mean) * inv_std, z = gamma * xhat + beta, y = z > 0 ? z : slope * z
//   backward, with dz = dy * act'(z):
//   dbeta = sum(dz), dgamma = sum(dz * xhat)
//   dx = gamma * inv_std * (dz - dbeta/m - xhat * dgamma/m)
//
// Statistics are one pass: a block adds up distances from the first pixel of its chunk and their
// squares, which cannot cancel as values with a large mean would, and the chunks' means and squares
// are merged in order (Chan, Golub and LeVeque 1979). Saved for the backward pass: mean and inv_std; z is computed again.
//
// The second pass over a tensor, apply, walks each block's rows in the other direction than the first
// one, so that it begins with what the L2 cache still holds: some 40 MB of up to 268 MB.
//
// Memory is kept busy by many loads under way at once: a thread takes four channels, which leaves
// registers for the loads of several rows before the first is used (in_batches), and blocks that all
// fit on the device at once load their channels' parameters only once. With one row at a time and
// eight channels these kernels reached 35 to 45% of the bandwidth of an H200.
//
// Bytes per element, s = 2 or 4: training forward 3 s (statistics s, apply 2 s), inference 2 s,
// backward 5 s (sums 2 s, apply 3 s); 5 to 15 instructions, so memory is the limit. enc2,
// {64, 64, 64, 128} in bfloat16 (67 MB) on an H200: forward 47 us, backward 78 us; the two finishing
// kernels read less than 1 MB each, about 2 us.
#include "kernels/cuda/batch_norm.h"

#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/rows.cuh"

namespace gan::cuda {
namespace {

constexpr int kChannels = 4;  // of a thread
// Rows whose loads a thread has under way together, where one tensor is read and where two are.
constexpr int kReadBatch = 8, kPairBatch = 4;
constexpr int kApplyBlocks = 3;  // on an SM at once: 80 registers a thread

// The parameters of a channel's affine map; `spread` is inv_std, or the running variance.
struct Statistics {
  const float* mean;
  const float* spread;
  const float* gamma;
  const float* beta;
  float eps;
  bool spread_is_variance;
};

// What training changes per channel.
struct FinishTargets {
  float *mean, *inv_std, *running_mean, *running_var, *scale, *shift;  // the last two may be null
  const float *gamma, *beta;
  float eps, momentum;
};

// ---- Statistics

// What is known of a channel: the count of pixels, their mean, the sum of squared distances from it.
struct Moments {
  float v[3] = {};

  static __device__ __forceinline__ void merge(float (&a)[3], const float (&b)[3]) {
    const float count = a[0] + b[0];
    const float share = count > 0 ? b[0] / count : 0.0f;
    const float distance = b[1] - a[1];
    a[1] += distance * share;
    a[2] += b[2] + distance * distance * (a[0] * share);
    a[0] = count;
  }
};

// means[chunk][c] and squares[chunk][c] of each chunk of pixels.
template <class T, int N>
__global__ void __launch_bounds__(kThreads, kReductionBlocks)
    statistics_kernel(Rows<const T> x, int64_t columns, Chunks chunks, float* means,
                      float* squares) {
  gpu::await_earlier_kernels();
  gpu::Smem memory;
  float* shared = memory.take<float>(2 * N * static_cast<int>(blockDim.x * blockDim.y));
  const int chunk = static_cast<int>(blockIdx.y);
  const int64_t column = N * (int64_t{blockIdx.x} * blockDim.x + threadIdx.x);
  const int count = columns - column < N ? static_cast<int>(columns - column) : N;
  float first[N] = {}, sums[2 * N] = {};  // of distances, then of their squares
  if (column < columns) {
    load(first, x.at(chunks.first(chunk), column), count);
    gpu::Packet<T, N> packet[kReadBatch];
    for_chunk_rows<kReadBatch>(
        chunks, chunk,
        [&](int b, int64_t row) { packet[b] = load_packed<N>(x.at(row, column), count); },
        [&](int b, int64_t) {
          float v[N];
          unpack(v, packet[b]);
          GAN_UNROLL
          for (int i = 0; i < N; ++i) {
            const float distance = v[i] - first[i];
            sums[i] += distance;
            sums[N + i] += distance * distance;
          }
        });
  }
  sum_over_y(sums, shared);
  if (threadIdx.y == 0 && column < columns) {
    const float pixels = static_cast<float>(chunks.length(chunk));
    GAN_UNROLL
    for (int i = 0; i < N; ++i) {
      if (i >= count) break;
      const float offset = sums[i] / pixels;
      means[chunk * columns + column + i] = first[i] + offset;
      squares[chunk * columns + column + i] = sums[N + i] - offset * sums[i];
    }
  }
}

__device__ __forceinline__ void finish_channel(int64_t c, float mean, float squares, float pixels,
                                               const FinishTargets& to) {
  const float inv_std = 1.0f / sqrtf(squares / pixels + to.eps);
  const float unbiased = pixels > 1.0f ? squares / (pixels - 1.0f) : 0.0f;
  to.mean[c] = mean;
  to.inv_std[c] = inv_std;
  to.running_mean[c] += to.momentum * (mean - to.running_mean[c]);
  to.running_var[c] += to.momentum * (unbiased - to.running_var[c]);
  if (to.scale) {
    const float scale = to.gamma[c] * inv_std;
    to.scale[c] = scale;
    to.shift[c] = to.beta[c] - mean * scale;
  }
}

// Merges the chunks in order.
__global__ void __launch_bounds__(kThreads)
    statistics_finish_kernel(const float* means, const float* squares, int64_t columns,
                             Chunks chunks, FinishTargets to) {
  gpu::await_earlier_kernels();
  gpu::Smem memory;
  float* shared = memory.take<float>(3 * kFinishColumns * kFinishRows);
  const int64_t c = int64_t{blockIdx.x} * kFinishColumns + threadIdx.x;
  Moments moments;
  if (c < columns) {
    float next[kFinishBatch][3];
    in_batches<kFinishBatch>(
        threadIdx.y, chunks.count, kFinishRows,
        [&](int b, int64_t i) {
          next[b][0] = static_cast<float>(chunks.length(static_cast<int>(i)));
          next[b][1] = means[i * columns + c];
          next[b][2] = squares[i * columns + c];
        },
        [&](int b, int64_t) { Moments::merge(moments.v, next[b]); });
  }
  combine_tree(moments.v, static_cast<int>(threadIdx.y), kFinishRows, shared + threadIdx.x,
               kFinishColumns, Moments::merge);
  if (threadIdx.y == 0 && c < columns)
    finish_channel(c, moments.v[1], moments.v[2], moments.v[0], to);
}

__global__ void __launch_bounds__(kThreads)
    channel_finish_kernel(const float* mean, const float* variance, float pixels, int64_t columns,
                          FinishTargets to) {
  gpu::await_earlier_kernels();
  const int64_t c = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (c < columns) finish_channel(c, mean[c], variance[c] * pixels, pixels, to);
}

// ---- Apply

template <int N>
__device__ __forceinline__ void load_scales(float (&mean)[N], float (&scale)[N], float (&beta)[N],
                                            const Statistics& s, int64_t column, int count) {
  float gamma[N];
  load_parameters(mean, s.mean + column, count);
  load_parameters(scale, s.spread + column, count);
  load_parameters(gamma, s.gamma + column, count);
  load_parameters(beta, s.beta + column, count);
  GAN_UNROLL
  for (int i = 0; i < N; ++i)
    scale[i] = gamma[i] * (s.spread_is_variance ? gpu::fast_rsqrt(scale[i] + s.eps) : scale[i]);
}

// The rows of a block's chunk from the last to the first. The pass before read the same chunks from the
// first row to the last, so the last rows are those that the L2 cache still holds.
template <int Batch, class Load, class Use>
__device__ __forceinline__ void for_chunk_rows_down(const Chunks& chunks, Load&& load, Use&& use) {
  const int chunk = static_cast<int>(blockIdx.y);
  const int64_t length = chunks.length(chunk), last = chunks.first(chunk) + length - 1;
  in_batches<Batch>(
      threadIdx.y, length, blockDim.y, [&](int b, int64_t i) { load(b, last - i); },
      [&](int b, int64_t i) { use(b, last - i); });
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads, kApplyBlocks)
    apply_kernel(Rows<const T> x, Chunks chunks, int64_t columns, Statistics statistics,
                 float negative, Rows<T> y) {
  gpu::await_earlier_kernels();
  for_columns<N>(columns, [&](int64_t column, int count) {
    float mean[N], scale[N], beta[N];
    load_scales(mean, scale, beta, statistics, column, count);
    gpu::Packet<T, N> packet[kReadBatch];
    for_chunk_rows_down<kReadBatch>(
        chunks, [&](int b, int64_t row) { packet[b] = load_packed<N>(x.at(row, column), count); },
        [&](int b, int64_t row) {
          float v[N];
          unpack(v, packet[b]);
          GAN_UNROLL
          for (int i = 0; i < N; ++i) {
            const float z = (v[i] - mean[i]) * scale[i] + beta[i];
            v[i] = z > 0 ? z : negative * z;
          }
          store(y.at(row, column), v, count);
        });
  });
}

// ---- Backward

// sums[chunk][c] = sum(dz), products[chunk][c] = sum(dz * (x - mean)).
template <class T, int N>
__global__ void __launch_bounds__(kThreads, kReductionBlocks)
    gradient_sums_kernel(Rows<const T> x, Rows<const T> dy, int64_t columns, Chunks chunks,
                         Statistics statistics, float negative, float* sums, float* products) {
  gpu::await_earlier_kernels();
  gpu::Smem memory;
  float* shared = memory.take<float>(2 * N * static_cast<int>(blockDim.x * blockDim.y));
  const int chunk = static_cast<int>(blockIdx.y);
  const int64_t column = N * (int64_t{blockIdx.x} * blockDim.x + threadIdx.x);
  const int count = columns - column < N ? static_cast<int>(columns - column) : N;
  float total[2 * N] = {};
  if (column < columns) {
    float mean[N], scale[N], beta[N];
    load_scales(mean, scale, beta, statistics, column, count);
    gpu::Packet<T, N> x_packet[kPairBatch], dy_packet[kPairBatch];
    for_chunk_rows<kPairBatch>(
        chunks, chunk,
        [&](int b, int64_t row) {
          x_packet[b] = load_packed<N>(x.at(row, column), count);
          dy_packet[b] = load_packed<N>(dy.at(row, column), count);
        },
        [&](int b, int64_t) {
          float v[N], dz[N];
          unpack(v, x_packet[b]);
          unpack(dz, dy_packet[b]);
          GAN_UNROLL
          for (int i = 0; i < N; ++i) {
            const float distance = v[i] - mean[i];
            if (!(distance * scale[i] + beta[i] > 0)) dz[i] *= negative;
            total[i] += dz[i];
            total[N + i] += dz[i] * distance;
          }
        });
  }
  sum_over_y(total, shared);
  if (threadIdx.y == 0 && column < columns) {
    GAN_UNROLL
    for (int i = 0; i < N; ++i) {
      if (i >= count) break;
      sums[chunk * columns + column + i] = total[i];
      products[chunk * columns + column + i] = total[N + i];
    }
  }
}

// Adds up the chunks: sum(dz), and sum(dz * xhat) after the factor inv_std. dgamma and dbeta may be
// null.
__global__ void __launch_bounds__(kThreads)
    gradient_finish_kernel(const float* sums, const float* products, int64_t columns, int chunks,
                           const float* inv_std, float* sum_dz, float* sum_dz_xhat, float* dgamma,
                           float* dbeta, Write write) {
  gpu::await_earlier_kernels();
  gpu::Smem memory;
  float* shared = memory.take<float>(2 * kFinishColumns * kFinishRows);
  const int64_t c = int64_t{blockIdx.x} * kFinishColumns + threadIdx.x;
  float total[2] = {};
  if (c < columns) {
    float next[kFinishBatch][2];
    in_batches<kFinishBatch>(
        threadIdx.y, chunks, kFinishRows,
        [&](int b, int64_t i) {
          next[b][0] = sums[i * columns + c];
          next[b][1] = products[i * columns + c];
        },
        [&](int b, int64_t) { add_values(total, next[b]); });
  }
  sum_over_y(total, shared);
  if (threadIdx.y == 0 && c < columns) {
    total[1] *= inv_std[c];
    sum_dz[c] = total[0];
    sum_dz_xhat[c] = total[1];
    const bool accumulate = write == Write::accumulate;
    if (dbeta) dbeta[c] = total[0] + (accumulate ? dbeta[c] : 0.0f);
    if (dgamma) dgamma[c] = total[1] + (accumulate ? dgamma[c] : 0.0f);
  }
}

// dx = scale * ((dz - mean_dz) + (x - mean) * by_x). The differences come before the factor, which may be
// 300: of a channel of one pixel nothing is left, as it has to be.
template <class T, int N>
__global__ void __launch_bounds__(kThreads, kApplyBlocks)
    gradient_apply_kernel(Rows<const T> x, Rows<const T> dy, Chunks chunks, int64_t columns,
                          Statistics statistics, float negative, const float* sum_dz,
                          const float* sum_dz_xhat, float share, Rows<T> dx) {
  gpu::await_earlier_kernels();
  for_columns<N>(columns, [&](int64_t column, int count) {
    float mean[N], scale[N], beta[N], by_x[N], mean_dz[N], inv_std[N];
    load_scales(mean, scale, beta, statistics, column, count);
    load_parameters(inv_std, statistics.spread + column, count);
    load_parameters(by_x, sum_dz_xhat + column, count);
    load_parameters(mean_dz, sum_dz + column, count);
    GAN_UNROLL
    for (int i = 0; i < N; ++i) {
      by_x[i] *= -inv_std[i] * share;
      mean_dz[i] *= share;
    }
    gpu::Packet<T, N> x_packet[kPairBatch], dy_packet[kPairBatch];
    for_chunk_rows_down<kPairBatch>(
        chunks,
        [&](int b, int64_t row) {
          x_packet[b] = load_packed<N>(x.at(row, column), count);
          dy_packet[b] = load_packed<N>(dy.at(row, column), count);
        },
        [&](int b, int64_t row) {
          float v[N], dz[N];
          unpack(v, x_packet[b]);
          unpack(dz, dy_packet[b]);
          GAN_UNROLL
          for (int i = 0; i < N; ++i) {
            const float distance = v[i] - mean[i];
            if (!(distance * scale[i] + beta[i] > 0)) dz[i] *= negative;
            v[i] = scale[i] * ((dz[i] - mean_dz[i]) + distance * by_x[i]);
          }
          store(dx.at(row, column), v, count);
        });
  });
}

// ---- Folding

// A thread does one weight. rows: all taps of all rows of w. The output channels lie along the
// columns when transposed, else along the rows, `taps` rows each.
__global__ void __launch_bounds__(kThreads)
    fold_kernel(Rows<const float> w, int rows, int columns, int taps, bool transposed, Statistics s,
                Rows<float> folded_w, float* folded_bias) {
  gpu::await_earlier_kernels();
  const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const int row = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  if (row >= rows || column >= columns) return;
  const int c = transposed ? column : row / taps;
  const float scale = s.gamma[c] * gpu::fast_rsqrt(s.spread[c] + s.eps);
  *folded_w.at(row, column) = *w.at(row, column) * scale;
  const bool first_of_channel = transposed ? row == 0 : column == 0 && row == c * taps;
  if (first_of_channel) folded_bias[c] = s.beta[c] - s.mean[c] * scale;
}

// ---- Host

void check_vectors(const char* operation, int64_t channels,
                   std::initializer_list<std::pair<const char*, const Tensor*>> vectors) {
  for (const auto& [name, vector] : vectors)
    check_shape(operation, name, *vector, vector_shape(channels));
}

Statistics batch_statistics(const BatchNorm& norm, const BatchNormSaved& saved, int64_t channels) {
  check_vectors("batch norm", channels,
                {{"gamma", &norm.gamma},
                 {"beta", &norm.beta},
                 {"mean", &saved.mean},
                 {"inv_std", &saved.inv_std}});
  return {saved.mean.as<float>(), saved.inv_std.as<float>(),    norm.gamma.as<float>(),
          norm.beta.as<float>(),  static_cast<float>(norm.eps), false};
}

Statistics running_statistics(const BatchNorm& norm, int64_t channels) {
  check_vectors("batch norm", channels,
                {{"gamma", &norm.gamma},
                 {"beta", &norm.beta},
                 {"running_mean", &norm.running_mean},
                 {"running_var", &norm.running_var}});
  return {norm.running_mean.as<float>(), norm.running_var.as<float>(), norm.gamma.as<float>(),
          norm.beta.as<float>(),         static_cast<float>(norm.eps), true};
}

FinishTargets finish_targets(const BatchNorm& norm, const BatchNormSaved& saved,
                             const BatchNormAffine& affine, int64_t channels) {
  batch_statistics(norm, saved, channels);
  running_statistics(norm, channels);
  return {saved.mean.as<float>(),        saved.inv_std.as<float>(),
          norm.running_mean.as<float>(), norm.running_var.as<float>(),
          data_of<float>(affine.scale),  data_of<float>(affine.shift),
          norm.gamma.as<float>(),        norm.beta.as<float>(),
          static_cast<float>(norm.eps),  static_cast<float>(norm.momentum)};
}

// A chunk of rows for every block along y. Of large tensors the same as reduction_layout's.
Chunks chunks_of(const Layout& layout) {
  const int64_t size = std::max<int64_t>(1, ceil_div(layout.rows, layout.grid.y));
  return {layout.rows, size, static_cast<int>(std::max<int64_t>(1, ceil_div(layout.rows, size)))};
}

void apply(const Tensor& x, const Statistics& statistics, Activation act, const Tensor& y,
           gpu::Stream stream) {
  check_shape("batch norm", "y", y, x.shape());
  with_storage_type(x.dtype(), [&]<class T>(T) {
    const Layout layout = resident_layout(kChannels, kApplyBlocks, kReadBatch / 2, x, y);
    const Chunks chunks = chunks_of(layout);
    with_width<kChannels>(layout.packets, [&]<int N>() {
      gpu::launch(apply_kernel<T, N>, {layout.grid.x, chunks.count}, layout.block, 0, stream,
                  input<T>(x), chunks, layout.columns, statistics, negative_slope(act),
                  output<T>(y));
    });
  });
}

void gradient_apply(const Tensor& x, const Tensor& dy, const Statistics& statistics, Activation act,
                    const float* sum_dz, const float* sum_dz_xhat, const Tensor& dx,
                    gpu::Stream stream) {
  const float share = 1.0f / static_cast<float>(x.shape().pixels());
  with_storage_type(x.dtype(), [&]<class T>(T) {
    const Layout layout = resident_layout(kChannels, kApplyBlocks, kPairBatch, x, dy, dx);
    const Chunks chunks = chunks_of(layout);
    with_width<kChannels>(layout.packets, [&]<int N>() {
      gpu::launch(gradient_apply_kernel<T, N>, {layout.grid.x, chunks.count}, layout.block, 0,
                  stream, input<T>(x), input<T>(dy), chunks, layout.columns, statistics,
                  negative_slope(act), sum_dz, sum_dz_xhat, share, output<T>(dx));
    });
  });
}

}  // namespace

size_t batch_norm_scratch_bytes(const Shape& x) {
  // Two sums a chunk, and their totals.
  return static_cast<size_t>(2 * (max_chunks(x) + 1) * x.c) * sizeof(float);
}

void batch_norm_train(const Tensor& x, const BatchNorm& norm, Activation act,
                      const BatchNormSaved& saved, const Tensor& y, void* scratch,
                      gpu::Stream stream) {
  const int64_t channels = x.shape().c;
  const FinishTargets targets = finish_targets(norm, saved, {}, channels);
  with_storage_type(x.dtype(), [&]<class T>(T) {
    const ReductionLayout layout = reduction_layout(kChannels, x);
    auto* means = static_cast<float*>(scratch);
    float* squares = means + layout.chunks.count * channels;
    with_width<kChannels>(layout.packets, [&]<int N>() {
      gpu::launch(statistics_kernel<T, N>, layout.grid, layout.block,
                  gpu::Smem::bytes<float>(2 * N * layout.block.x * layout.block.y), stream,
                  input<T>(x), channels, layout.chunks, means, squares);
    });
    gpu::launch(statistics_finish_kernel, finish_grid(channels), finish_block(),
                gpu::Smem::bytes<float>(3 * kFinishColumns * kFinishRows), stream, means, squares,
                channels, layout.chunks, targets);
  });
  batch_norm_apply(x, norm, act, saved, y, stream);
}

void batch_norm_infer(const Tensor& x, const BatchNorm& norm, Activation act, const Tensor& y,
                      gpu::Stream stream) {
  apply(x, running_statistics(norm, x.shape().c), act, y, stream);
}

void batch_norm_backward(const Tensor& x, const Tensor& dy, const BatchNorm& norm, Activation act,
                         const BatchNormSaved& saved, const Tensor& dx, const Tensor& dgamma,
                         const Tensor& dbeta, Write write, void* scratch, gpu::Stream stream) {
  const int64_t channels = x.shape().c;
  check_shape("batch norm backward", "dy", dy, x.shape());
  check_shape("batch norm backward", "dx", dx, x.shape());
  if (dgamma) check_vectors("batch norm backward", channels, {{"dgamma", &dgamma}});
  if (dbeta) check_vectors("batch norm backward", channels, {{"dbeta", &dbeta}});
  const Statistics statistics = batch_statistics(norm, saved, channels);
  auto* sum_dz = static_cast<float*>(scratch);
  float* sum_dz_xhat = sum_dz + channels;
  float* sums = sum_dz_xhat + channels;
  with_storage_type(x.dtype(), [&]<class T>(T) {
    const ReductionLayout layout = reduction_layout(kChannels, x, dy);
    float* products = sums + layout.chunks.count * channels;
    with_width<kChannels>(layout.packets, [&]<int N>() {
      gpu::launch(gradient_sums_kernel<T, N>, layout.grid, layout.block,
                  gpu::Smem::bytes<float>(2 * N * layout.block.x * layout.block.y), stream,
                  input<T>(x), input<T>(dy), channels, layout.chunks, statistics,
                  negative_slope(act), sums, products);
    });
    gpu::launch(gradient_finish_kernel, finish_grid(channels), finish_block(),
                gpu::Smem::bytes<float>(2 * kFinishColumns * kFinishRows), stream, sums, products,
                channels, layout.chunks.count, saved.inv_std.as<float>(), sum_dz, sum_dz_xhat,
                data_of<float>(dgamma), data_of<float>(dbeta), write);
  });
  gradient_apply(x, dy, statistics, act, sum_dz, sum_dz_xhat, dx, stream);
}

void batch_norm_fold(const Tensor& w, const BatchNorm& norm, bool transposed,
                     const Tensor& folded_w, const Tensor& folded_bias, gpu::Stream stream) {
  const int64_t outputs = transposed ? w.shape().c : w.shape().n;
  check_shape("batch norm fold", "folded_w", folded_w, w.shape());
  check_vectors("batch norm fold", outputs, {{"folded_bias", &folded_bias}});
  const Shape shape = w.shape();
  const int64_t rows = shape.pixels(), columns = shape.c;
  const int64_t across = std::clamp<int64_t>(columns, 1, kThreads), down = kThreads / across;
  gpu::launch(fold_kernel, {ceil_div(columns, across), ceil_div(rows, down)}, {across, down}, 0,
              stream, input<float>(w), rows, columns, shape.h * shape.w, transposed,
              running_statistics(norm, outputs), output<float>(folded_w), folded_bias.as<float>());
}

void batch_norm_finish(const Tensor& mean, const Tensor& variance, int64_t pixels,
                       const BatchNorm& norm, const BatchNormSaved& saved,
                       const BatchNormAffine& affine, gpu::Stream stream) {
  const int64_t channels = mean.shape().c;
  check_vectors("batch norm", channels, {{"mean", &mean}, {"variance", &variance}});
  if (affine.scale)
    check_vectors("batch norm", channels, {{"scale", &affine.scale}, {"shift", &affine.shift}});
  gpu::launch(channel_finish_kernel, ceil_div(channels, kThreads), kThreads, 0, stream,
              mean.as<float>(), variance.as<float>(), static_cast<float>(pixels), channels,
              finish_targets(norm, saved, affine, channels));
}

void batch_norm_apply(const Tensor& x, const BatchNorm& norm, Activation act,
                      const BatchNormSaved& saved, const Tensor& y, gpu::Stream stream) {
  apply(x, batch_statistics(norm, saved, x.shape().c), act, y, stream);
}

void batch_norm_backward_apply(const Tensor& x, const Tensor& dy, const BatchNorm& norm,
                               Activation act, const BatchNormSaved& saved, const Tensor& sum_dz,
                               const Tensor& sum_dz_xhat, const Tensor& dx, gpu::Stream stream) {
  const int64_t channels = x.shape().c;
  check_shape("batch norm backward", "dy", dy, x.shape());
  check_shape("batch norm backward", "dx", dx, x.shape());
  check_vectors("batch norm backward", channels,
                {{"sum_dz", &sum_dz}, {"sum_dz_xhat", &sum_dz_xhat}});
  gradient_apply(x, dy, batch_statistics(norm, saved, channels), act, sum_dz.as<float>(),
                 sum_dz_xhat.as<float>(), dx, stream);
}

}  // namespace gan::cuda
