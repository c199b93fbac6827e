// Dropout: y_i = x_i / (1 - p) where element i is kept, 0 where it is dropped; i counts through
// {N, H, W, C} without gaps. Uniform noise: x_i = u_i. Both from u_i = unit_float(word i%4 of
// RandomKey::block i/4), so a packet of four elements needs one Philox block, and the backward pass
// makes the same mask again instead of storing it.
//
// Bytes per element: dropout 2 s, noise s, s = 2 or 4. A Philox block is about 100 instructions, 25
// an element: in bfloat16 (1.1 T elements/s by memory) that just about equals what an H200 executes,
// so this is the one element-wise kernel near its arithmetic limit. d.l4, {64, 16, 16, 256} in
// bfloat16: 4.2 M elements, 17 MB, 4 us. Elements that cannot be moved in packets, in slices of odd
// channel counts, pay a block each.
#include "kernels/cuda/dropout.h"

#include "kernels/cuda/rows.cuh"

namespace gan::cuda {
namespace {

// The numbers of N elements from `element` on; N is 1 or `element` is a multiple of 4.
template <int N>
__device__ __forceinline__ void uniform(float (&u)[N], uint64_t seed, uint32_t stream,
                                        uint64_t step, uint64_t element) {
  if constexpr (N == 1) {
    const Philox::Block block = RandomKey::block(seed, stream, step, element / 4);
    const uint32_t low = element & 1 ? block[1] : block[0];
    const uint32_t high = element & 1 ? block[3] : block[2];
    u[0] = unit_float(element & 2 ? high : low);
  } else {
    GAN_UNROLL
    for (int i = 0; i < N; i += 4) {
      const Philox::Block block = RandomKey::block(seed, stream, step, (element + i) / 4);
      u[i] = unit_float(block[0]);
      u[i + 1] = unit_float(block[1]);
      u[i + 2] = unit_float(block[2]);
      u[i + 3] = unit_float(block[3]);
    }
  }
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    dropout_kernel(float p, float scale, RandomKey key, int64_t rows, int64_t columns,
                   Rows<const T> x, Rows<T> y, Write write) {
  const uint64_t step = *key.step;
  for_packets<N>(rows, columns, [&](int64_t row, int64_t column, int count) {
    float v[N], u[N];
    load(v, x.at(row, column), count);
    uniform(u, key.seed, key.stream, step, row * columns + column);
    GAN_UNROLL
    for (int i = 0; i < N; ++i) v[i] = u[i] < p ? 0.0f : v[i] * scale;
    store(y.at(row, column), v, count, write);
  });
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    fill_uniform_kernel(RandomKey key, int64_t rows, int64_t columns, Rows<T> x) {
  const uint64_t step = *key.step;
  for_packets<N>(rows, columns, [&](int64_t row, int64_t column, int count) {
    float u[N];
    uniform(u, key.seed, key.stream, step, row * columns + column);
    store(x.at(row, column), u, count);
  });
}

// Packets must also begin at multiples of 4 elements, in every row.
template <class... Tensors>
Layout random_layout(int n, const Tensor& x, const Tensors&... others) {
  const Layout layout = element_layout(n, x, others...);
  if (layout.rows == 1 || layout.columns % 4 == 0) return layout;
  return layout_of(layout.rows, layout.columns, n, false);
}

}  // namespace

void dropout(float p, const RandomKey& key, const Tensor& x, const Tensor& y, Write write,
             gpu::Stream stream) {
  require(p >= 0 && p < 1, "dropout: p is ", p, ", expected 0 <= p < 1");
  check_shape("dropout", "y", y, x.shape());
  const auto scale = static_cast<float>(1.0 / (1.0 - p));
  with_storage_type(x.dtype(), [&]<class T>(T) {
    const Layout layout = random_layout(kPacket<T>, x, y);
    with_width<kPacket<T>>(layout.packets, [&]<int N>() {
      gpu::launch(dropout_kernel<T, N>, layout.grid, layout.block, 0, stream, p, scale, key,
                  layout.rows, layout.columns, input<T>(x), output<T>(y), write);
    });
  });
}

void fill_uniform(const RandomKey& key, const Tensor& x, gpu::Stream stream) {
  with_storage_type(x.dtype(), [&]<class T>(T) {
    const Layout layout = random_layout(kPacket<T>, x);
    with_width<kPacket<T>>(layout.packets, [&]<int N>() {
      gpu::launch(fill_uniform_kernel<T, N>, layout.grid, layout.block, 0, stream, key, layout.rows,
                  layout.columns, output<T>(x));
    });
  });
}

}  // namespace gan::cuda
