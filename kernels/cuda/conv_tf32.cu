// Convolution kernels on tf32 tensor cores, for float32 tensors when rounding factors to 11
// significant bits is allowed: the instances. See conv_gemm.cuh and conv_wgrad.cuh.
//
// Half the rate of bf16, twice the bytes. Gathering kernels are conv_fp32.cu's. The large tile has a
// multiprocessor to itself, because with 128 registers its weight gradient spills.
#include "kernels/cuda/conv_launch.cuh"

namespace gan::cuda {
namespace {

template <class Tile>
using Inner = Tf32Unit<Tile, Order::k_inner>;
template <class Tile>
using Outer = Tf32Unit<Tile, Order::k_outer>;

using Tile128x128 = Tile<128, 128, 16, 4, 2, 4, 1>;
using Tile64x64 = Tile<64, 64, 16, 4, 2, 2, 4>;  // for few pixels or channels

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

void gemm_tf32(const GemmArgs<float>& args, ConvTile tile, ConvLoad load, gpu::Stream stream) {
  if (load == ConvLoad::gather) return gemm_fp32(args, tile, load, stream);
  if (load == ConvLoad::normalize) return gemm<ConvLoad::normalize>(args, tile, stream);
  gemm<ConvLoad::copy>(args, tile, stream);
}

void wgrad_tf32(const WgradArgs<float>& args, ConvTile tile, WgradLoad load, gpu::Stream stream) {
  static_assert(kWgradStep % Tile128x128::kK == 0 && kWgradStep % Tile64x64::kK == 0);
  if (load == WgradLoad::gather || load == WgradLoad::gather_source)
    return wgrad_fp32(args, tile, load, stream);
  if (load == WgradLoad::normalize) return wgrad<WgradLoad::normalize>(args, tile, stream);
  wgrad<WgradLoad::copy>(args, tile, stream);
}

}  // namespace gan::cuda
