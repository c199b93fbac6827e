// Batch norm with running statistics, then an activation, and folding it into a convolution's weights; what
// training does is in batch_norm_train.cu. x, y: {N, H, W, C}; parameters and statistics: {1, 1, 1, C}.
//
//   z = gamma * (x - mean) / sqrt(var + eps) + beta, y = z > 0 ? z : slope * z
//
// Memory is kept busy by many loads under way at once: a thread takes four channels, which leaves
// registers for the loads of several rows before the first is used (in_batches), and blocks that all
// fit on the device at once load their channels' parameters only once. Two accesses an element, about
// five instructions: memory is the limit.
#include "kernels/cuda/batch_norm.h"

#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/rows.cuh"

namespace gan::cuda {
namespace {

constexpr int kChannels = 4;     // of a thread
constexpr int kReadBatch = 8;    // rows whose loads a thread has under way together
constexpr int kApplyBlocks = 3;  // on an SM at once: 80 registers a thread

struct Statistics {
  const float *mean, *variance, *gamma, *beta;
  float eps;
};

// ---- Apply

template <class T, int N>
__global__ void __launch_bounds__(kThreads, kApplyBlocks)
    apply_kernel(Rows<const T> x, int64_t rows, int64_t columns, Statistics s, float negative,
                 Rows<T> y) {
  for_columns<N>(columns, [&](int64_t column, int count) {
    float mean[N], scale[N], beta[N], gamma[N];
    load_parameters(mean, s.mean + column, count);
    load_parameters(scale, s.variance + column, count);
    load_parameters(gamma, s.gamma + column, count);
    load_parameters(beta, s.beta + column, count);
    GAN_UNROLL
    for (int i = 0; i < N; ++i) scale[i] = gamma[i] * gpu::fast_rsqrt(scale[i] + s.eps);
    gpu::Packet<T, N> packet[kReadBatch];
    for_row_batches<kReadBatch>(
        rows, [&](int b, int64_t row) { packet[b] = load_packed<N>(x.at(row, column), count); },
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

// ---- Folding

// A thread does one weight. rows: all taps of all rows of w. The output channels lie along the
// columns when transposed, else along the rows, `taps` rows each.
__global__ void __launch_bounds__(kThreads)
    fold_kernel(Rows<const float> w, int rows, int columns, int taps, bool transposed, Statistics s,
                Rows<float> folded_w, float* folded_bias) {
  const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const int row = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  if (row >= rows || column >= columns) return;
  const int c = transposed ? column : row / taps;
  const float scale = s.gamma[c] * gpu::fast_rsqrt(s.variance[c] + s.eps);
  *folded_w.at(row, column) = *w.at(row, column) * scale;
  const bool first_of_channel = transposed ? row == 0 : column == 0 && row == c * taps;
  if (first_of_channel) folded_bias[c] = s.beta[c] - s.mean[c] * scale;
}

// ---- Host

Statistics running_statistics(const BatchNorm& norm, int64_t channels) {
  check_vectors("batch norm", channels,
                {{"gamma", &norm.gamma},
                 {"beta", &norm.beta},
                 {"running_mean", &norm.running_mean},
                 {"running_var", &norm.running_var}});
  return {norm.running_mean.as<float>(), norm.running_var.as<float>(), norm.gamma.as<float>(),
          norm.beta.as<float>(), static_cast<float>(norm.eps)};
}

}  // namespace

void batch_norm_infer(const Tensor& x, const BatchNorm& norm, Activation act, const Tensor& y,
                      gpu::Stream stream) {
  check_shape("batch norm", "y", y, x.shape());
  const Statistics statistics = running_statistics(norm, x.shape().c);
  with_storage_type(x.dtype(), [&]<class T>(T) {
    const Layout layout = resident_layout(kChannels, kApplyBlocks, kReadBatch / 2, x, y);
    with_width<kChannels>(layout.packets, [&]<int N>() {
      gpu::launch(apply_kernel<T, N>, layout.grid, layout.block, 0, stream, input<T>(x),
                  layout.rows, layout.columns, statistics, negative_slope(act), output<T>(y));
    });
  });
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

}  // namespace gan::cuda
