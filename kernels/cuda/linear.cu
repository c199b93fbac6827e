// Fully connected: y[n, o] = bias[o] + sum_f x[n, f] * w[o, f], f = (h, w, c), F = H*W*C.
//   dx[n, f] = sum_o dy[n, o] * w[o, f],  dw[o, f] = sum_n dy[n, o] * x[n, f]
// x, dx: {N, H, W, C}; w, dw: {O, H, W, C} dense; y, dy: {N, 1, 1, O}.
//
// Made for few outputs: the discriminator's last layer has F = 65,536, O = 1. Each thread serves
// kOutputs outputs at once, so x is read O / kOutputs times. Sums have a fixed order: over f in
// chunks of features, over n in kGroups groups of pictures, merged pairwise.
//
// Bytes: one pass over x or dx (N*F*s, s = 2 or 4) and over w (4*O*F, from the L2 cache for all but
// the first picture); 2 operations per element and output, so memory is the limit. Batch 64 in
// bfloat16: 8.4 MB, 2 us on an H200 each way.
#include "kernels/cuda/linear.h"

#include "kernels/cuda/rows.cuh"

namespace gan::cuda {
namespace {

constexpr int kOutputs = 4;          // sums a thread keeps in registers
constexpr int kPictures = 4;         // of dx that a thread makes from one read of w
constexpr int64_t kFeatures = 4096;  // a chunk of the sum over f: two packets or more a thread
constexpr int kGroups = 8;           // of pictures: with a warp across, 256 threads
constexpr int kWarp = 32;

// Where feature f of a picture lies: straight on in dense tensors, else in its pixel.
struct Features {
  int64_t count, channels, pitch, picture_pitch;
  bool dense;
  __device__ __forceinline__ int64_t offset(int64_t picture, int64_t f) const {
    const int64_t start = picture * picture_pitch;
    if (dense) return start + f;
    const int pixel = static_cast<int>(f) / static_cast<int>(channels);
    return start + pixel * pitch + (f - pixel * channels);
  }
};

// N weights, 16 bytes at a time where packets are possible at all.
template <int N>
__device__ __forceinline__ void load_weights(float (&v)[N], const float* from, int count) {
  if constexpr (N == 1) {
    v[0] = *from;
  } else {
    if (count < N) return load_parameters(v, from, count);
    GAN_UNROLL
    for (int i = 0; i < N; i += 4) {
      const gpu::Packet<float> packet = gpu::load_packet_nc(from + i);
      GAN_UNROLL
      for (int j = 0; j < 4; ++j) v[i + j] = packet.v[j];
    }
  }
}

// partial[n][o][chunk]: the sums over one chunk of features, for one picture and kOutputs outputs.
template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    linear_forward_kernel(const T* x, Features features, const float* w, int outputs,
                          float* partial) {
  gpu::Smem memory;
  float* shared = memory.take<float>(kOutputs * kThreads);
  const int chunk = static_cast<int>(blockIdx.y), first_output = blockIdx.z * kOutputs;
  const int64_t end =
      (chunk + 1) * kFeatures < features.count ? (chunk + 1) * kFeatures : features.count;
  float sums[kOutputs] = {};
  for (int64_t f = chunk * kFeatures + N * int64_t{threadIdx.x}; f < end; f += N * kThreads) {
    const int count = end - f < N ? static_cast<int>(end - f) : N;
    float v[N];
    load(v, x + features.offset(blockIdx.x, f), count);
    GAN_UNROLL
    for (int o = 0; o < kOutputs; ++o) {
      if (first_output + o >= outputs) break;
      float weight[N];
      load_weights(weight, w + (first_output + o) * features.count + f, count);
      GAN_UNROLL
      for (int i = 0; i < N; ++i) sums[o] += v[i] * weight[i];
    }
  }
  sum_over_block(sums, shared);
  if (threadIdx.x == 0) {
    GAN_UNROLL
    for (int o = 0; o < kOutputs; ++o) {
      if (first_output + o >= outputs) break;
      partial[(int64_t{blockIdx.x} * outputs + first_output + o) * gridDim.y + chunk] = sums[o];
    }
  }
}

// One thread a result.
template <class T>
__global__ void __launch_bounds__(kThreads)
    linear_finish_kernel(const float* partial, int chunks, const float* bias, int64_t pictures,
                         int outputs, Rows<T> y) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= pictures * outputs) return;
  const int64_t n = i / outputs, o = i - n * outputs;
  float sum = 0;
  for (int chunk = 0; chunk < chunks; ++chunk) sum += partial[i * chunks + chunk];
  *y.at(n, o) = from_float<T>(sum + (bias ? bias[o] : 0.0f));
}

// kPictures pictures at N features.
template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    linear_backward_data_kernel(Rows<const T> dy, const float* w, int64_t pictures, int outputs,
                                Features features, T* dx, Write write) {
  const int64_t f = N * (int64_t{blockIdx.x} * blockDim.x + threadIdx.x);
  if (f >= features.count) return;
  const int count = features.count - f < N ? static_cast<int>(features.count - f) : N;
  for (int64_t first = int64_t{blockIdx.y} * kPictures; first < pictures;
       first += int64_t{gridDim.y} * kPictures) {
    float sums[kPictures][N] = {};
    for (int o = 0; o < outputs; ++o) {
      float weight[N];
      load_weights(weight, w + o * features.count + f, count);
      GAN_UNROLL
      for (int n = 0; n < kPictures; ++n) {
        const float slope = first + n < pictures ? as_float(*dy.at(first + n, o)) : 0.0f;
        GAN_UNROLL
        for (int i = 0; i < N; ++i) sums[n][i] += slope * weight[i];
      }
    }
    GAN_UNROLL
    for (int n = 0; n < kPictures; ++n)
      if (first + n < pictures) store(dx + features.offset(first + n, f), sums[n], count, write);
  }
}

// kOutputs outputs at N features a thread; threadIdx.y takes every kGroups-th picture.
template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    linear_backward_weights_kernel(const T* x, Rows<const T> dy, int64_t pictures, int outputs,
                                   Features features, float* dw, Write write) {
  gpu::Smem memory;
  float* shared = memory.take<float>(N * kOutputs * kThreads);
  const int64_t f = N * (int64_t{blockIdx.x} * kWarp + threadIdx.x);
  const int first_output = blockIdx.y * kOutputs;
  const int count = features.count - f < N ? static_cast<int>(features.count - f) : N;
  float sums[kOutputs * N] = {};
  if (f < features.count) {
    for (int64_t n = threadIdx.y; n < pictures; n += kGroups) {
      float v[N];
      load(v, x + features.offset(n, f), count);
      GAN_UNROLL
      for (int o = 0; o < kOutputs; ++o) {
        if (first_output + o >= outputs) break;
        const float slope = as_float(*dy.at(n, first_output + o));
        GAN_UNROLL
        for (int i = 0; i < N; ++i) sums[o * N + i] += slope * v[i];
      }
    }
  }
  sum_over_y(sums, shared);
  if (threadIdx.y == 0 && f < features.count) {
    GAN_UNROLL
    for (int o = 0; o < kOutputs; ++o) {
      if (first_output + o >= outputs) break;
      float result[N];
      GAN_UNROLL
      for (int i = 0; i < N; ++i) result[i] = sums[o * N + i];
      store_parameters(dw + (first_output + o) * features.count + f, result, count, write);
    }
  }
}

// ---- Host

void check_linear(const Tensor& x, const Tensor& w, const Tensor& y) {
  const Shape s = x.shape();
  check_shape("linear", "w", w, {y.shape().c, s.h, s.w, s.c});
  check_shape("linear", "y", y, {s.n, 1, 1, y.shape().c});
  require(w.dense(), "linear: w must be dense");
  require(s.h * s.w * s.c <= INT32_MAX, "linear: too many features in ", s);
}

Features features_of(const Tensor& x) {
  const Shape s = x.shape();
  return {s.h * s.w * s.c, s.c, x.pitch(), s.h * s.w * x.pitch(), x.dense()};
}

// Packets must not reach from one pixel into the next, or from one picture into the next.
bool takes_feature_packets(const Tensor& x, const Tensor& w, int n) {
  const Features f = features_of(x);
  return takes_packets(x, n, 1) && takes_packets(w, kPacket<float>, 1) &&
         (x.dense() ? f.count : f.channels) % n == 0 && (x.dense() || x.pitch() % n == 0);
}

int chunks_of(const Shape& x) {
  return static_cast<int>(std::max<int64_t>(1, ceil_div(x.h * x.w * x.c, kFeatures)));
}

}  // namespace

size_t linear_scratch_bytes(const Shape& x, const Shape& y) {
  return static_cast<size_t>(x.n * y.c * chunks_of(x)) * sizeof(float);
}

void linear_forward(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y,
                    void* scratch, gpu::Stream stream) {
  check_linear(x, w, y);
  const int64_t pictures = x.shape().n, outputs = y.shape().c;
  const int chunks = chunks_of(x.shape());
  auto* partial = static_cast<float*>(scratch);
  with_storage_type(x.dtype(), [&]<class T>(T) {
    with_width<kPacket<T>>(takes_feature_packets(x, w, kPacket<T>), [&]<int N>() {
      gpu::launch(linear_forward_kernel<T, N>, {pictures, chunks, ceil_div(outputs, kOutputs)},
                  kThreads, gpu::Smem::bytes<float>(kOutputs * kThreads), stream, data_of<T>(x),
                  features_of(x), w.as<float>(), outputs, partial);
    });
  });
  linear_finish(partial, chunks, bias, y, stream);
}

void linear_finish(const float* parts, int chunks, const Tensor& bias, const Tensor& y,
                   gpu::Stream stream) {
  const int64_t pictures = y.shape().n, outputs = y.shape().c;
  if (bias) check_shape("linear", "bias", bias, vector_shape(outputs));
  with_storage_type(y.dtype(), [&]<class T>(T) {
    gpu::launch(linear_finish_kernel<T>, ceil_div(pictures * outputs, kThreads), kThreads, 0,
                stream, parts, chunks, data_of<float>(bias), pictures, outputs, output<T>(y));
  });
}

void linear_backward_data(const Tensor& dy, const Tensor& w, const Tensor& dx, Write write,
                          gpu::Stream stream) {
  check_linear(dx, w, dy);
  const int64_t pictures = dx.shape().n, outputs = dy.shape().c;
  with_storage_type(dx.dtype(), [&]<class T>(T) {
    const Features features = features_of(dx);
    with_width<kPacket<T>>(takes_feature_packets(dx, w, kPacket<T>), [&]<int N>() {
      gpu::launch(linear_backward_data_kernel<T, N>,
                  {ceil_div(features.count, N * kThreads),
                   std::min<int64_t>(ceil_div(pictures, kPictures), kMaxBlocks)},
                  kThreads, 0, stream, input<T>(dy), w.as<float>(), pictures, outputs, features,
                  data_of<T>(dx), write);
    });
  });
}

void linear_backward_weights(const Tensor& x, const Tensor& dy, const Tensor& dw, Write write,
                             gpu::Stream stream) {
  check_linear(x, dw, dy);
  const int64_t pictures = x.shape().n, outputs = dy.shape().c;
  with_storage_type(x.dtype(), [&]<class T>(T) {
    const Features features = features_of(x);
    with_width<kPacket<T>>(takes_feature_packets(x, dw, kPacket<T>), [&]<int N>() {
      gpu::launch(linear_backward_weights_kernel<T, N>,
                  {ceil_div(features.count, N * kWarp), ceil_div(outputs, kOutputs)},
                  {kWarp, kGroups}, gpu::Smem::bytes<float>(N * kOutputs * kThreads), stream,
                  data_of<T>(x), input<T>(dy), pictures, outputs, features, dw.as<float>(), write);
    });
  });
}

}  // namespace gan::cuda
