// Convolution kernels on Hopper's warpgroup tensor cores: the instances. See conv_wgmma.cuh.
//
// Steps are 64 channels or pixels long: rows of 128 bytes, which wgmma's widest swizzle takes. The large
// tile fills a multiprocessor alone and reads least from the L2 cache, which is what bounds these
// kernels (measured: about 5 TB/s whatever the tile); of the small ones two blocks share a
// multiprocessor, and the products of one hide the other's start and end.
//
// With few pixels a block waits for its steps' copies instead. 128 x 64 has two steps of them under
// way, so that each step takes half of a copy's latency; the deep one, 8 stages and 193 KB of shared
// memory, has six. 64 x 64 has four, makes twice as many tiles, and shares its multiprocessor.
//
// Measured beside these on an H200 and no better anywhere by more than 2%: 128 x 256 and 256 x 64, and
// copies through the L1 cache (cp.async.ca), which cost 5 to 10%.
#include "kernels/cuda/conv_launch.cuh"
#include "kernels/cuda/conv_wgmma.cuh"

namespace gan::cuda {
namespace {

template <class Tile>
using Inner = WgmmaUnit<Tile, Order::k_inner>;
template <class Tile>
using Outer = WgmmaUnit<Tile, Order::k_outer>;

using Tile256x128 = Tile<256, 128, 64, 4, 16, 1, 1>;
using Tile128x128 = Tile<128, 128, 64, 3, 8, 1, 2>;  // for weights with 128 rows
using Tile128x64 = Tile<128, 64, 64, 4, 8, 1, 2>;    // for 64 channels and for few pixels
using Deep128x64 = Tile<128, 64, 64, 8, 8, 1, 1>;
using Tile64x64 = Tile<64, 64, 64, 6, 4, 1, 2>;

template <ConvLoad Load>
void gemm(const GemmArgs<gpu::bf16>& args, ConvTile tile, gpu::Stream stream) {
  switch (tile) {
    case ConvTile::w256n128:
      return launch_gemm<Inner<Tile256x128>, Load>(args, stream);
    case ConvTile::w64n64:
      return launch_gemm<Inner<Tile64x64>, Load>(args, stream);
    case ConvTile::w128n64deep:
      return launch_gemm<Inner<Deep128x64>, Load>(args, stream);
    default:
      return launch_gemm<Inner<Tile128x64>, Load>(args, stream);
  }
}

template <WgradLoad Load>
void wgrad(const WgradArgs<gpu::bf16>& args, ConvTile tile, gpu::Stream stream) {
  if (tile == ConvTile::w256n128)
    launch_wgrad<Outer<Tile256x128>, Load>(args, stream);
  else
    launch_wgrad<Outer<Tile128x128>, Load>(args, stream);
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
