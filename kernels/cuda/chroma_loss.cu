// Losses of chroma against the truth.
//
// chroma_loss, x, target: {N, H, W, 2}, weights: {1, B, B, 1}, d = x - target:
//   loss = mean of v * (d^2/(2 beta) where |d| < beta, |d| - beta/2 elsewhere)
//   dx = weight/elements * v * (d/beta where |d| < beta, sign(d) elsewhere)
// v being the weight of the pixel's cell, row from target's first channel, column from its second:
// min(B - 1, floor((target + 1)/2 * B)). A thread does a pixel; blocks leave partial sums, which a
// second kernel adds in order. Bytes per element: 3 s, s = 2 or 4, and the table, which the caches
// keep; about 15 operations: memory is the limit.
//
// moment_loss, x, target: {N, H, W, C}, m = H*W, with mean and s = sqrt(variance + 1e-4) of each
// picture's channel and M and S those of the truth:
//   loss = 1/(N*C) * sum of |mean - M| + |s - S|
//   dx = weight/(N*C*m) * (sign(mean - M) + sign(s - S) * (x - mean)/s)
// One block does a picture, and some channels of it, in three passes: means, variances about them,
// gradient. Bytes per element: 3 s from memory, 3 s more from the L2 cache; a few operations. There
// are only N blocks, so the latency of the passes is the limit: about 5 us for {64, 64, 64, 2}.
//
// {64, 64, 64, 2} in bfloat16 is 524 K elements, 3 MB: 1 us on an H200 by bandwidth.
#include "kernels/cuda/chroma_loss.h"

#include "kernels/cuda/loss.h"
#include "kernels/cuda/rows.cuh"

namespace gan::cuda {
namespace {

// As many as a block can have: the blocks are few.
constexpr int kMomentThreads = 1024;

__device__ __forceinline__ float sign(float value) {
  return value > 0 ? 1.0f : value < 0 ? -1.0f : 0.0f;
}

// The cell of -1..1, cut into `cells`, that holds `value`.
__device__ __forceinline__ int cell_of(float value, int cells) {
  const float cell = floorf((value + 1.0f) * 0.5f * static_cast<float>(cells));
  return static_cast<int>(fminf(fmaxf(cell, 0.0f), static_cast<float>(cells - 1)));
}

// `weight` is already divided by the number of elements; without dx.data no gradient is wanted.
template <class T>
__global__ void __launch_bounds__(kThreads)
    chroma_loss_kernel(int64_t pixels, Rows<const T> x, Rows<const T> target, const float* table,
                       int cells, float beta, float weight, Rows<T> dx, Write write,
                       float* partial) {
  gpu::Smem memory;
  float* shared = memory.take<float>(kThreads);
  float sum[1] = {};
  for (int64_t pixel = int64_t{blockIdx.x} * kThreads + threadIdx.x; pixel < pixels;
       pixel += int64_t{gridDim.x} * kThreads) {
    float truth[2];
    GAN_UNROLL
    for (int c = 0; c < 2; ++c) truth[c] = as_float(*target.at(pixel, c));
    const float v = table[int64_t{cell_of(truth[0], cells)} * cells + cell_of(truth[1], cells)];
    GAN_UNROLL
    for (int c = 0; c < 2; ++c) {
      const float d = as_float(*x.at(pixel, c)) - truth[c], size = fabsf(d);
      const bool near = size < beta;
      sum[0] += v * (near ? 0.5f * d * d / beta : size - 0.5f * beta);
      const float slope[1] = {weight * v * (near ? d / beta : sign(d))};
      if (dx.data) store(dx.at(pixel, c), slope, 1, write);
    }
  }
  sum_over_block(sum, shared);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum[0];
}

// Sums of two values over threadIdx.y, for all of them; `shared` and `totals` are used once.
__device__ __forceinline__ void sum_for_all(float (&v)[2], float* shared, float* totals) {
  sum_over_y(v, shared);
  if (threadIdx.y == 0) {
    GAN_UNROLL
    for (int k = 0; k < 2; ++k) totals[2 * threadIdx.x + k] = v[k];
  }
  // Between the totals' writes and everybody's reads.
  gpu::syncthreads();
  GAN_UNROLL
  for (int k = 0; k < 2; ++k) v[k] = totals[2 * threadIdx.x + k];
}

// Pictures along blockIdx.x, channels along threadIdx.x and blockIdx.y, pixels along threadIdx.y.
// terms[picture][channel] = |mean - M| + |s - S|. `weight` is already divided by the number of
// elements; without dx.data no gradient is wanted.
template <class T>
__global__ void __launch_bounds__(kMomentThreads)
    moment_loss_kernel(int64_t pixels, int64_t channels, Rows<const T> x, Rows<const T> target,
                       float weight, Rows<T> dx, Write write, float* terms) {
  constexpr float kEps = 1e-4f;
  gpu::Smem memory;
  const int threads = static_cast<int>(blockDim.x * blockDim.y);
  float* shared[2];
  float* totals[2];
  GAN_UNROLL
  for (int k = 0; k < 2; ++k) {
    shared[k] = memory.take<float>(2 * threads);
    totals[k] = memory.take<float>(2 * static_cast<int>(blockDim.x));
  }
  const int64_t channel = int64_t{blockIdx.y} * blockDim.x + threadIdx.x;
  const int64_t first = blockIdx.x * pixels;
  const int64_t own = channel < channels ? pixels : 0;  // the others only meet at the barriers
  const float count = static_cast<float>(pixels);

  float mean[2] = {};
  for (int64_t p = threadIdx.y; p < own; p += blockDim.y) {
    mean[0] += as_float(*x.at(first + p, channel));
    mean[1] += as_float(*target.at(first + p, channel));
  }
  sum_for_all(mean, shared[0], totals[0]);
  GAN_UNROLL
  for (int k = 0; k < 2; ++k) mean[k] /= count;

  float spread[2] = {};
  for (int64_t p = threadIdx.y; p < own; p += blockDim.y) {
    const float a = as_float(*x.at(first + p, channel)) - mean[0];
    const float b = as_float(*target.at(first + p, channel)) - mean[1];
    spread[0] += a * a;
    spread[1] += b * b;
  }
  sum_for_all(spread, shared[1], totals[1]);
  GAN_UNROLL
  for (int k = 0; k < 2; ++k) spread[k] = sqrtf(spread[k] / count + kEps);

  if (threadIdx.y == 0 && channel < channels)
    terms[blockIdx.x * channels + channel] =
        fabsf(mean[0] - mean[1]) + fabsf(spread[0] - spread[1]);
  if (!dx.data) return;
  const float constant = weight * sign(mean[0] - mean[1]);
  const float slope = weight * sign(spread[0] - spread[1]) / spread[0];
  for (int64_t p = threadIdx.y; p < own; p += blockDim.y) {
    const float v[1] = {constant + slope * (as_float(*x.at(first + p, channel)) - mean[0])};
    store(dx.at(first + p, channel), v, 1, write);
  }
}

// ---- Host

void check_losses(const char* operation, const Tensor& x, const Tensor& target, const Tensor& loss,
                  const Tensor& dx) {
  check_shape(operation, "target", target, x.shape());
  check_shape(operation, "loss", loss, vector_shape(1));
  if (dx) check_shape(operation, "dx", dx, x.shape());
}

}  // namespace

size_t chroma_loss_scratch_bytes() {
  return kMaxBlocks * sizeof(float);
}

void chroma_loss(const Tensor& x, const Tensor& target, const Tensor& weights, float beta,
                 float weight, const Tensor& loss, const Tensor& dx, Write write, void* scratch,
                 gpu::Stream stream) {
  const Shape s = x.shape();
  const int64_t cells = weights.shape().h;
  check_shape("chroma loss", "x", x, {s.n, s.h, s.w, 2});
  check_shape("chroma loss", "weights", weights, {1, cells, cells, 1});
  require(weights.dense(), "chroma loss: weights are not dense");
  check_losses("chroma loss", x, target, loss, dx);
  const double share = 1.0 / static_cast<double>(s.elements());
  const int64_t blocks = std::clamp<int64_t>(ceil_div(s.pixels(), kThreads), 1, kMaxBlocks);
  auto* partial = static_cast<float*>(scratch);
  with_storage_type(x.dtype(), [&]<class T>(T) {
    gpu::launch(chroma_loss_kernel<T>, {blocks}, {kThreads}, gpu::Smem::bytes<float>(kThreads),
                stream, s.pixels(), input<T>(x), input<T>(target), weights.as<float>(), cells, beta,
                static_cast<float>(weight * share), output<T>(dx), write, partial);
  });
  finish_loss(partial, blocks, static_cast<float>(share), loss, stream);
}

size_t moment_loss_scratch_bytes(const Shape& x) {
  return static_cast<size_t>(x.n * x.c) * sizeof(float);
}

void moment_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
                 const Tensor& dx, Write write, void* scratch, gpu::Stream stream) {
  const Shape s = x.shape();
  check_losses("moment loss", x, target, loss, dx);
  const int64_t pixels = s.h * s.w;
  const int64_t across = std::clamp<int64_t>(s.c, 1, kMomentThreads);
  const int64_t down =
      std::clamp<int64_t>(kMomentThreads / across, 1, std::max<int64_t>(pixels, 1));
  const size_t bytes =
      2 * (gpu::Smem::bytes<float>(2 * across * down) + gpu::Smem::bytes<float>(2 * across));
  auto* terms = static_cast<float*>(scratch);
  with_storage_type(x.dtype(), [&]<class T>(T) {
    gpu::launch(moment_loss_kernel<T>, {s.n, ceil_div(s.c, across)}, {across, down}, bytes, stream,
                pixels, s.c, input<T>(x), input<T>(target),
                static_cast<float>(weight / static_cast<double>(s.elements())), output<T>(dx),
                write, terms);
  });
  finish_loss(terms, s.n * s.c, static_cast<float>(1.0 / static_cast<double>(s.n * s.c)), loss,
              stream);
}

}  // namespace gan::cuda
