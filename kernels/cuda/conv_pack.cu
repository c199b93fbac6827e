// Weights in the order in which conv_gemm reads them.
//
//   packed[group][k][tap][c], k = the output's channels, c = the source's
//   forward         packed[k][r, s][c] = w[k][r, s][c]: a cast
//   data gradient   packed[g][k][r, s][c] = w[c][first - r*stride, first - s*stride][k]: the taps
//                   that meet one parity of the output, last first, and rows against columns
//
// Bytes: 4 in and 2 or 4 out per weight. Bound by memory: 1.2 million weights of layer dec1, 2 us on
// an H200.
#include "kernels/cuda/conv_launch.cuh"

namespace gan::cuda {
namespace {

constexpr int kPackThreads = 256;

template <class T>
__global__ void __launch_bounds__(kPackThreads)
    pack_copy_kernel(const float* w, int64_t count, T* packed) {
  gpu::await_earlier_kernels();
  const int64_t i = int64_t{blockIdx.x} * kPackThreads + threadIdx.x;
  if (i < count) packed[i] = from_float<T>(gpu::ldg(w + i));
}

constexpr int kPackTile = 32;  // rows and columns of a tile: a warp reads or writes 32 neighbours
constexpr int kPackRows = 8;   // of threads

// Grid: (tiles along k; tiles along c; taps of all groups).
template <class T>
__global__ void __launch_bounds__(kPackTile* kPackRows)
    pack_gradient_kernel(const ConvShape shape, int kernel, TapOrders orders, const float* w,
                         T* packed) {
  gpu::await_earlier_kernels();
  gpu::Smem shared;
  // One column more, so that a column's elements lie in different banks.
  float* const tile = shared.take<float>(kPackTile * (kPackTile + 1));
  int g = 0, tap = static_cast<int>(blockIdx.z);
  while (tap >= shape.group[g].taps()) tap -= shape.group[g++].taps();
  const ConvGroup& group = shape.group[g];
  const TapOrder& order = orders.group[g];
  const int r = order.first_h + tap / group.taps_w * order.step;
  const int s = order.first_w + tap % group.taps_w * order.step;
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const int k0 = static_cast<int>(blockIdx.x) * kPackTile;
  const int c0 = static_cast<int>(blockIdx.y) * kPackTile;
  for (int row = y; row < kPackTile; row += kPackRows) {
    const int c = c0 + row, k = k0 + x;
    if (c < shape.source_c && k < shape.out_c)
      tile[row * (kPackTile + 1) + x] =
          gpu::ldg(w + ((int64_t{c} * kernel + r) * kernel + s) * shape.out_c + k);
  }
  gpu::syncthreads();  // rows are written | columns are read
  for (int row = y; row < kPackTile; row += kPackRows) {
    const int k = k0 + row, c = c0 + x;
    if (c < shape.source_c && k < shape.out_c)
      packed[group.weights + (int64_t{k} * group.taps() + tap) * shape.source_c + c] =
          from_float<T>(tile[x * (kPackTile + 1) + row]);
  }
}

}  // namespace

template <class T>
void pack_forward(const Tensor& w, T* packed, gpu::Stream stream) {
  gpu::launch(pack_copy_kernel<T>, ceil_div(w.elements(), kPackThreads), kPackThreads, 0, stream,
              w.as<float>(), w.elements(), packed);
}

template <class T>
void pack_gradient(const ConvGeometry& geometry, const ConvShape& shape, const Tensor& w, T* packed,
                   gpu::Stream stream) {
  TapOrders orders;
  int taps = 0;
  for (int g = 0; g < shape.groups; ++g) {
    orders.group[g] = data_gradient_taps(geometry, shape.group[g]);
    taps += shape.group[g].taps();
  }
  gpu::launch(pack_gradient_kernel<T>,
              {ceil_div(shape.out_c, kPackTile), ceil_div(shape.source_c, kPackTile), taps},
              gpu::Dim3(kPackTile, kPackRows), gpu::Smem::bytes<float>(kPackTile * (kPackTile + 1)),
              stream, shape, geometry.kernel, orders, w.as<float>(), packed);
}

template void pack_forward(const Tensor&, float*, gpu::Stream);
template void pack_forward(const Tensor&, gpu::bf16*, gpu::Stream);
template void pack_gradient(const ConvGeometry&, const ConvShape&, const Tensor&, float*,
                            gpu::Stream);
template void pack_gradient(const ConvGeometry&, const ConvShape&, const Tensor&, gpu::bf16*,
                            gpu::Stream);

}  // namespace gan::cuda
