// Convolution kernels on bf16 tensor cores: the instances. See conv_gemm.cuh and conv_wgrad.cuh.
//
// Steps are 32 channels or pixels long, the shortest row (64 bytes) that swizzled() keeps free of
// bank conflicts; four stages keep three steps of copies under way. Warps multiply 64x32 where
// registers allow, because that needs 6 ldmatrix for 16 mma; 32x32 needs 4 for 8.
#include "kernels/cuda/conv_launch.cuh"

namespace gan::cuda {
namespace {

template <class Tile>
using Inner = Bf16Unit<Tile, Order::k_inner>;
template <class Tile>
using Outer = Bf16Unit<Tile, Order::k_outer>;

// 64 sums a thread: two blocks of 256 threads fill the registers of a multiprocessor.
using Tile128x128 = Tile<128, 128, 32, 4, 2, 4, 2>;
using Tile128x64 = Tile<128, 64, 32, 4, 2, 2, 3>;  // for 64 channels
using Tile128x32 = Tile<128, 32, 32, 4, 4, 1, 4>;  // for 16 and 32
using Tile64x64 = Tile<64, 64, 32, 4, 2, 2, 4>;    // for few pixels
using Tile64x32 = Tile<64, 32, 32, 4, 2, 2, 4>;    // 3 channels x 9 taps fit in 32 columns

template <ConvLoad Load>
void gemm(const GemmArgs<gpu::bf16>& args, ConvTile tile, gpu::Stream stream) {
  switch (tile) {
    case ConvTile::m128n128:
      return launch_gemm<Inner<Tile128x128>, Load>(args, stream);
    case ConvTile::m128n64:
      return launch_gemm<Inner<Tile128x64>, Load>(args, stream);
    case ConvTile::m128n32:
      return launch_gemm<Inner<Tile128x32>, Load>(args, stream);
    default:
      return launch_gemm<Inner<Tile64x64>, Load>(args, stream);
  }
}

template <WgradLoad Load>
void wgrad(const WgradArgs<gpu::bf16>& args, ConvTile tile, gpu::Stream stream) {
  if (tile == ConvTile::m128n128)
    launch_wgrad<Outer<Tile128x128>, Load>(args, stream);
  else
    launch_wgrad<Outer<Tile64x64>, Load>(args, stream);
}

}  // namespace

void gemm_bf16(const GemmArgs<gpu::bf16>& args, ConvTile tile, ConvLoad load, gpu::Stream stream) {
  switch (load) {
    case ConvLoad::copy:
      return gemm<ConvLoad::copy>(args, tile, stream);
    case ConvLoad::normalize:
      return gemm<ConvLoad::normalize>(args, tile, stream);
    case ConvLoad::gather:
      return launch_gemm<Inner<Tile128x64>, ConvLoad::gather>(args, stream);
  }
}

void wgrad_bf16(const WgradArgs<gpu::bf16>& args, ConvTile tile, WgradLoad load,
                gpu::Stream stream) {
  static_assert(Tile128x128::kK == kWgradStep && Tile64x64::kK == kWgradStep);
  switch (load) {
    case WgradLoad::copy:
      return wgrad<WgradLoad::copy>(args, tile, stream);
    case WgradLoad::normalize:
      return wgrad<WgradLoad::normalize>(args, tile, stream);
    case WgradLoad::gather_source:
      return launch_wgrad<Outer<Tile64x32>, WgradLoad::gather_source>(args, stream);
    case WgradLoad::gather:
      return launch_wgrad<Outer<Tile64x32>, WgradLoad::gather>(args, stream);
  }
}

}  // namespace gan::cuda
