// Convolution kernels in exact float32 arithmetic: the instances. See conv_gemm.cuh and
// conv_wgrad.cuh.
//
// Bound by the multiply-add units: 67 TFLOP/s on an H200, a twelfth of the bf16 tensor cores.
// Steps are 16 floats long (64 bytes), three stages deep. The compiler loads operands far ahead of
// their use: held to 128 registers it spills, so fewer blocks share a multiprocessor.
#include "kernels/cuda/conv_launch.cuh"

namespace gan::cuda {
namespace {

template <class Tile>
using Inner = Fp32Unit<Tile, Order::k_inner>;
template <class Tile>
using Outer = Fp32Unit<Tile, Order::k_outer>;

using Tile128x128 = Tile<128, 128, 16, 3, 4, 2, 1>;  // 8x8 sums a thread
using Tile64x64 = Tile<64, 64, 16, 3, 2, 2, 3>;      // 8x4, for few pixels or channels

template <ConvLoad Load>
void gemm(const GemmArgs<float>& args, ConvTile tile, gpu::Stream stream) {
  if (tile == ConvTile::m128n128)
    launch_gemm<Inner<Tile128x128>, Load>(args, stream);
  else
    launch_gemm<Inner<Tile64x64>, Load>(args, stream);
}

template <WgradLoad Load>
void wgrad(const WgradArgs<float>& args, ConvTile tile, gpu::Stream stream) {
  if (tile == ConvTile::m128n128)
    launch_wgrad<Outer<Tile128x128>, Load>(args, stream);
  else
    launch_wgrad<Outer<Tile64x64>, Load>(args, stream);
}

}  // namespace

void gemm_fp32(const GemmArgs<float>& args, ConvTile tile, ConvLoad load, gpu::Stream stream) {
  switch (load) {
    case ConvLoad::copy:
      return gemm<ConvLoad::copy>(args, tile, stream);
    case ConvLoad::normalize:
      return gemm<ConvLoad::normalize>(args, tile, stream);
    case ConvLoad::gather:
      return launch_gemm<Inner<Tile64x64>, ConvLoad::gather>(args, stream);
  }
}

void wgrad_fp32(const WgradArgs<float>& args, ConvTile tile, WgradLoad load, gpu::Stream stream) {
  static_assert(kWgradStep % Tile128x128::kK == 0 && kWgradStep % Tile64x64::kK == 0);
  switch (load) {
    case WgradLoad::copy:
      return wgrad<WgradLoad::copy>(args, tile, stream);
    case WgradLoad::normalize:
      return wgrad<WgradLoad::normalize>(args, tile, stream);
    case WgradLoad::gather_source:
      return launch_wgrad<Outer<Tile64x64>, WgradLoad::gather_source>(args, stream);
    case WgradLoad::gather:
      return launch_wgrad<Outer<Tile64x64>, WgradLoad::gather>(args, stream);
  }
}

}  // namespace gan::cuda
