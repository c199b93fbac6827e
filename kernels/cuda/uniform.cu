// Uniform noise: x_i = u_i, uniform.cuh's. Two or four bytes an element, and 25 instructions: in bfloat16 (2.2 T
// elements/s by memory) it is the instructions that limit an H200. Elements that cannot be moved in packets,
// in slices of odd channel counts, pay a Philox block each.
#include "kernels/cuda/uniform.h"

#include "kernels/cuda/uniform.cuh"

namespace gan::cuda {
namespace {

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    fill_uniform_kernel(RandomKey key, int64_t rows, int64_t columns, Rows<T> x) {
  const uint64_t step = *key.step;
  for_packets<N>(rows, columns, [&](int64_t row, int64_t column, int count) {
    uint32_t words[N];
    random_words(words, key.seed, key.stream, step, row * columns + column);
    float u[N];
    GAN_UNROLL
    for (int i = 0; i < N; ++i) u[i] = unit_float(words[i]);
    store(x.at(row, column), u, count);
  });
}

}  // namespace

void fill_uniform(const RandomKey& key, const Tensor& x, gpu::Stream stream) {
  with_storage_type(x.dtype(), [&]<class T>(T) {
    Layout layout = element_layout(kPacket<T>, x);
    if (!draws_packets(layout.rows, layout.columns))
      layout = layout_of(layout.rows, layout.columns, kPacket<T>, false);
    with_width<kPacket<T>>(layout.packets, [&]<int N>() {
      gpu::launch(fill_uniform_kernel<T, N>, layout.grid, layout.block, 0, stream, key, layout.rows,
                  layout.columns, output<T>(x));
    });
  });
}

}  // namespace gan::cuda
