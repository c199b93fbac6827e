// Activations: y = act(x), dx = dy * act'(x) with the slope taken from y; and y = act(y + bias) behind
// a convolution of cuDNN's.
//
// x, y, dy, dx: {N, H, W, C}. Where a convolution or batch norm comes before, its kernel applies
// the activation; left for these kernels are the activation after a max pool in the demo generator,
// and the backward of layers with a bias.
//
// Bytes per element: forward and bias 2 s, backward 3 s (4 s when accumulating), s = 2 or 4; at most about
// 20 instructions (tanh), so memory is the limit everywhere. d.l1 backward, {64, 64, 64, 32} in
// bfloat16: 8.4 M elements, 50 MB, 12 us on an H200.
#include "kernels/cuda/activation.h"

#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/rows.cuh"

namespace gan::cuda {
namespace {

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    activation_forward_kernel(Activation act, int64_t rows, int64_t columns, Rows<const T> x,
                              Rows<T> y) {
  for_packets<N>(rows, columns, [&](int64_t row, int64_t column, int count) {
    float v[N];
    load(v, x.at(row, column), count);
    GAN_UNROLL
    for (int i = 0; i < N; ++i) v[i] = activate(act, v[i]);
    store(y.at(row, column), v, count);
  });
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    activation_backward_kernel(Activation act, int64_t rows, int64_t columns, Rows<const T> y,
                               Rows<const T> dy, Rows<T> dx, Write write) {
  for_packets<N>(rows, columns, [&](int64_t row, int64_t column, int count) {
    float v[N], slope[N];
    load(v, y.at(row, column), count);
    load(slope, dy.at(row, column), count);
    times_slopes(act, v, slope);
    store(dx.at(row, column), slope, count, write);
  });
}

constexpr int kFinishChannels = 4;  // of a thread
constexpr int kFinishAhead = 8;     // rows whose loads are under way together
constexpr int kFinishBlocks = 3;    // on an SM at once: 80 registers a thread

template <class T, int N>
__global__ void __launch_bounds__(kThreads, kFinishBlocks)
    bias_activation_kernel(Activation act, int64_t rows, int64_t columns, const float* bias,
                           Rows<T> y) {
  for_columns<N>(columns, [&](int64_t column, int count) {
    float shift[N] = {};
    if (bias) load_parameters(shift, bias + column, count);
    gpu::Packet<T, N> packet[kFinishAhead];
    for_row_batches<kFinishAhead>(
        rows, [&](int b, int64_t row) { packet[b] = load_packed<N>(y.at(row, column), count); },
        [&](int b, int64_t row) {
          float v[N];
          unpack(v, packet[b]);
          add_values(v, shift);
          activate_all(act, v);
          store(y.at(row, column), v, count);
        });
  });
}

}  // namespace

void bias_activation(Activation act, const Tensor& bias, const Tensor& y, gpu::Stream stream) {
  if (bias) check_shape("bias", "bias", bias, vector_shape(y.shape().c));
  with_storage_type(y.dtype(), [&]<class T>(T) {
    const Layout layout = resident_layout(kFinishChannels, kFinishBlocks, kFinishAhead / 2, y);
    with_width<kFinishChannels>(layout.packets, [&]<int N>() {
      gpu::launch(bias_activation_kernel<T, N>, layout.grid, layout.block, 0, stream, act,
                  layout.rows, layout.columns, data_of<float>(bias), output<T>(y));
    });
  });
}

void activation_forward(Activation act, const Tensor& x, const Tensor& y, gpu::Stream stream) {
  check_shape("activation", "y", y, x.shape());
  with_storage_type(x.dtype(), [&]<class T>(T) {
    const Layout layout = element_layout(kPacket<T>, x, y);
    with_width<kPacket<T>>(layout.packets, [&]<int N>() {
      gpu::launch(activation_forward_kernel<T, N>, layout.grid, layout.block, 0, stream, act,
                  layout.rows, layout.columns, input<T>(x), output<T>(y));
    });
  });
}

void activation_backward(Activation act, const Tensor& y, const Tensor& dy, const Tensor& dx,
                         Write write, gpu::Stream stream) {
  check_shape("activation backward", "dy", dy, y.shape());
  check_shape("activation backward", "dx", dx, y.shape());
  with_storage_type(y.dtype(), [&]<class T>(T) {
    const Layout layout = element_layout(kPacket<T>, y, dy, dx);
    with_width<kPacket<T>>(layout.packets, [&]<int N>() {
      gpu::launch(activation_backward_kernel<T, N>, layout.grid, layout.block, 0, stream, act,
                  layout.rows, layout.columns, input<T>(y), input<T>(dy), output<T>(dx), write);
    });
  });
}

}  // namespace gan::cuda
