// Losses, a mean over all m elements of x: {N, H, W, C}, value and gradient in one pass.
//   bce_with_logits: max(x, 0) - x*target + log(1 + exp(-|x|)), dx = weight/m * (sigmoid(x) - target)
//   l1:              |x - target|,    dx = weight/m * sign(x - target)
//   mse:             (x - target)^2,  dx = weight/m * 2 (x - target)
//   relativistic:    log(1 + exp(lower - higher)), d_lower = weight/m * sigmoid(lower - higher),
//                    d_higher = -d_lower
//
// Every block leaves one partial sum; a second kernel of one block adds them up, always in the same
// order, which depends on nothing but the shape.
//
// Bytes per element: 3 s with a gradient, 2 s without (bce: 2 s and s; relativistic: 4 s and 2 s),
// s = 2 or 4; a few instructions, so memory is the limit. L1 on photos, {64, 128, 128, 3} in
// bfloat16: 3.1 M elements, 19 MB, 4.4 us on an H200, and 2 us for the second kernel.
#include "kernels/cuda/loss.h"

#include "kernels/cuda/rows.cuh"

namespace gan::cuda {
namespace {

enum class Loss { bce, l1, mse };

// The term of one element, and its slope.
template <Loss loss>
__device__ __forceinline__ float term(float x, float target, float& slope) {
  if constexpr (loss == Loss::bce) {
    const float e = expf(-fabsf(x));  // at most 1: never overflows
    slope = (x > 0 ? 1.0f : e) / (1.0f + e) - target;
    return fmaxf(x, 0.0f) - x * target + log1pf(e);
  } else {
    const float distance = x - target;
    if constexpr (loss == Loss::l1) {
      slope = distance > 0 ? 1.0f : distance < 0 ? -1.0f : 0.0f;
      return fabsf(distance);
    }
    slope = 2.0f * distance;
    return distance * distance;
  }
}

// Where each block leaves its part. A single block's is the loss, with the mean's share in it.
struct LossSums {
  float* sums;
  float share = 1;
};

// `target` is read by l1 and mse, `constant` by bce; without dx.data no gradient is wanted.
template <Loss loss, class T, int N>
__global__ void __launch_bounds__(kThreads, kReductionBlocks)
    loss_kernel(int64_t rows, int64_t columns, Rows<const T> x, Rows<const T> target,
                float constant, float weight, Rows<T> dx, Write write, LossSums to) {
  gpu::Smem memory;
  float* shared = memory.take<float>(static_cast<int>(blockDim.x * blockDim.y));
  float sum[1] = {};
  for_packets<N>(rows, columns, [&](int64_t row, int64_t column, int count) {
    float v[N], wanted[N], slope[N];
    load(v, x.at(row, column), count);
    if constexpr (loss != Loss::bce) load(wanted, target.at(row, column), count);
    GAN_UNROLL
    for (int i = 0; i < N; ++i) {
      const float value = term<loss>(v[i], loss == Loss::bce ? constant : wanted[i], slope[i]);
      if (i < count) sum[0] += value;
      slope[i] *= weight;
    }
    if (dx.data) store(dx.at(row, column), slope, count, write);
  });
  sum_over_block(sum, shared);
  if (threadIdx.x == 0 && threadIdx.y == 0)
    to.sums[blockIdx.y * gridDim.x + blockIdx.x] = to.share * sum[0];
}

// A gradient whose `data` is null is not wanted.
template <class T, int N>
__global__ void __launch_bounds__(kThreads, kReductionBlocks)
    relativistic_loss_kernel(int64_t rows, int64_t columns, Rows<const T> higher,
                             Rows<const T> lower, float weight, Rows<T> d_higher, Rows<T> d_lower,
                             Write write, LossSums to) {
  gpu::Smem memory;
  float* shared = memory.take<float>(static_cast<int>(blockDim.x * blockDim.y));
  float sum[1] = {};
  for_packets<N>(rows, columns, [&](int64_t row, int64_t column, int count) {
    float up[N], down[N];
    load(up, higher.at(row, column), count);
    load(down, lower.at(row, column), count);
    GAN_UNROLL
    for (int i = 0; i < N; ++i) {
      const float lag = down[i] - up[i], e = expf(-fabsf(lag));
      if (i < count) sum[0] += fmaxf(lag, 0.0f) + log1pf(e);
      down[i] = weight * ((lag > 0 ? 1.0f : e) / (1.0f + e));
      up[i] = -down[i];
    }
    if (d_higher.data) store(d_higher.at(row, column), up, count, write);
    if (d_lower.data) store(d_lower.at(row, column), down, count, write);
  });
  sum_over_block(sum, shared);
  if (threadIdx.x == 0 && threadIdx.y == 0)
    to.sums[blockIdx.y * gridDim.x + blockIdx.x] = to.share * sum[0];
}

// loss = share * the sum of `count` partial sums; one block.
__global__ void __launch_bounds__(kThreads)
    loss_finish_kernel(const float* partial, int count, float share, float* loss) {
  gpu::Smem memory;
  float* shared = memory.take<float>(kThreads);
  float sum[1] = {};
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads) sum[0] += partial[i];
  sum_over_block(sum, shared);
  if (threadIdx.x == 0) *loss = share * sum[0];
}

LossSums loss_sums(const Layout& layout, double share, const Tensor& loss, void* scratch) {
  if (layout.grid.x * layout.grid.y == 1) return {loss.as<float>(), static_cast<float>(share)};
  return {static_cast<float*>(scratch)};
}

// What the loss kernels leave to do.
void finish_parts(const Layout& layout, const LossSums& parts, double share, const Tensor& loss,
                  gpu::Stream stream) {
  const int64_t blocks = layout.grid.x * layout.grid.y;
  if (blocks > 1) finish_loss(parts.sums, blocks, static_cast<float>(share), loss, stream);
}

template <Loss kind>
void run_loss(const Tensor& x, const Tensor& target, float constant, float weight,
              const Tensor& loss, const Tensor& dx, Write write, void* scratch,
              gpu::Stream stream) {
  check_shape("loss", "loss", loss, vector_shape(1));
  if (dx) check_shape("loss", "dx", dx, x.shape());
  const double share = 1.0 / static_cast<double>(x.elements());
  // Absent tensors have no say in the layout.
  const Tensor& second = target ? target : x;
  const Tensor& third = dx ? dx : x;
  with_storage_type(x.dtype(), [&]<class T>(T) {
    const Layout layout = element_layout(kPacket<T>, x, second, third);
    const LossSums parts = loss_sums(layout, share, loss, scratch);
    with_width<kPacket<T>>(layout.packets, [&]<int N>() {
      gpu::launch(loss_kernel<kind, T, N>, layout.grid, layout.block,
                  gpu::Smem::bytes<float>(layout.block.x * layout.block.y), stream, layout.rows,
                  layout.columns, input<T>(x), input<T>(target), constant,
                  static_cast<float>(weight * share), output<T>(dx), write, parts);
    });
    finish_parts(layout, parts, share, loss, stream);
  });
}

}  // namespace

size_t loss_scratch_bytes() {
  return kMaxBlocks * sizeof(float);
}

void finish_loss(const float* partial, int64_t count, float share, const Tensor& loss,
                 gpu::Stream stream) {
  gpu::launch(loss_finish_kernel, 1, kThreads, gpu::Smem::bytes<float>(kThreads), stream, partial,
              count, share, loss.as<float>());
}

void bce_with_logits(const Tensor& x, float target, float weight, const Tensor& loss,
                     const Tensor& dx, Write write, void* scratch, gpu::Stream stream) {
  run_loss<Loss::bce>(x, {}, target, weight, loss, dx, write, scratch, stream);
}

void l1_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
             const Tensor& dx, Write write, void* scratch, gpu::Stream stream) {
  check_shape("L1 loss", "target", target, x.shape());
  run_loss<Loss::l1>(x, target, 0, weight, loss, dx, write, scratch, stream);
}

void mse_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
              const Tensor& dx, Write write, void* scratch, gpu::Stream stream) {
  check_shape("MSE loss", "target", target, x.shape());
  run_loss<Loss::mse>(x, target, 0, weight, loss, dx, write, scratch, stream);
}

void relativistic_loss(const Tensor& higher, const Tensor& lower, float weight, const Tensor& loss,
                       const Tensor& d_higher, const Tensor& d_lower, Write write, void* scratch,
                       gpu::Stream stream) {
  check_shape("relativistic loss", "loss", loss, vector_shape(1));
  check_shape("relativistic loss", "lower", lower, higher.shape());
  for (const Tensor& gradient : {d_higher, d_lower})
    if (gradient) check_shape("relativistic loss", "gradient", gradient, higher.shape());
  const double share = 1.0 / static_cast<double>(higher.elements());
  with_storage_type(higher.dtype(), [&]<class T>(T) {
    const Layout layout = element_layout(kPacket<T>, higher, lower, d_higher ? d_higher : higher,
                                         d_lower ? d_lower : lower);
    const LossSums parts = loss_sums(layout, share, loss, scratch);
    with_width<kPacket<T>>(layout.packets, [&]<int N>() {
      gpu::launch(relativistic_loss_kernel<T, N>, layout.grid, layout.block,
                  gpu::Smem::bytes<float>(layout.block.x * layout.block.y), stream, layout.rows,
                  layout.columns, input<T>(higher), input<T>(lower),
                  static_cast<float>(weight * share), output<T>(d_higher), output<T>(d_lower),
                  write, parts);
    });
    finish_parts(layout, parts, share, loss, stream);
  });
}

}  // namespace gan::cuda
