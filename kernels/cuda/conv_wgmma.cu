// Convolution kernels on Hopper's warpgroup tensor cores: the instances. See conv_wgmma.cuh.
//
// Steps are 64 channels or pixels long: rows of 128 bytes, which wgmma's widest swizzle takes. The
// tiles of 128 x 128 and 128 x 64 leave room for a second block, whose products hide the first one's
// start and end; the larger ones fill a multiprocessor alone.
#include "kernels/cuda/conv_launch.cuh"
#include "kernels/cuda/conv_wgmma.cuh"

namespace gan::cuda {
namespace {

template <class Tile>
using Inner = WgmmaUnit<Tile, Order::k_inner>;
template <class Tile>
using Outer = WgmmaUnit<Tile, Order::k_outer>;

using Tile128x128 = Tile<128, 128, 64, 3, 8, 1, 2>;
using Tile128x256 = Tile<128, 256, 64, 4, 8, 1, 1>;
using Tile256x128 = Tile<256, 128, 64, 4, 16, 1, 1>;
using Tile128x64 = Tile<128, 64, 64, 4, 8, 1, 2>;  // for 64 channels
using Tile256x64 = Tile<256, 64, 64, 4, 16, 1, 1>;

template <ConvLoad Load>
void gemm(const GemmArgs<gpu::bf16>& args, ConvTile tile, gpu::Stream stream) {
  switch (tile) {
    case ConvTile::w128n256:
      return launch_gemm<Inner<Tile128x256>, Load>(args, stream);
    case ConvTile::w256n128:
      return launch_gemm<Inner<Tile256x128>, Load>(args, stream);
    case ConvTile::w128n64:
      return launch_gemm<Inner<Tile128x64>, Load>(args, stream);
    case ConvTile::w256n64:
      return launch_gemm<Inner<Tile256x64>, Load>(args, stream);
    default:
      return launch_gemm<Inner<Tile128x128>, Load>(args, stream);
  }
}

template <WgradLoad Load>
void wgrad(const WgradArgs<gpu::bf16>& args, ConvTile tile, gpu::Stream stream) {
  switch (tile) {
    case ConvTile::w128n256:
      return launch_wgrad<Outer<Tile128x256>, Load>(args, stream);
    case ConvTile::w256n128:
      return launch_wgrad<Outer<Tile256x128>, Load>(args, stream);
    default:
      return launch_wgrad<Outer<Tile128x128>, Load>(args, stream);
  }
}

}  // namespace

void gemm_wgmma(const GemmArgs<gpu::bf16>& args, ConvTile tile, ConvLoad load, gpu::Stream stream) {
  if (load == ConvLoad::normalize)
    gemm<ConvLoad::normalize>(args, tile, stream);
  else
    gemm<ConvLoad::copy>(args, tile, stream);
}

void wgrad_wgmma(const WgradArgs<gpu::bf16>& args, ConvTile tile, WgradLoad load,
                 gpu::Stream stream) {
  if (load == WgradLoad::normalize)
    wgrad<WgradLoad::normalize>(args, tile, stream);
  else
    wgrad<WgradLoad::copy>(args, tile, stream);
}

}  // namespace gan::cuda
