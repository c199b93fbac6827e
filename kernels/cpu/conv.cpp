// The convolutions of the CPU backend.
#include "kernels/cpu/conv.h"

#include "kernels/cpu/conv_micro.h"
#include "kernels/cpu/cpu_backend.h"

namespace gan {

using cpu::ConvDirection;
using cpu::ConvShape;
using cpu::TileSizes;

namespace cpu {

ConvCall conv_call(const Call& call) {
  const ConvShape plain = {call.geometry, call.x, call.y};
  const ConvShape transposed = {call.geometry, call.y, call.x};
  switch (call.op) {
    case Op::conv_forward:
      return {plain, ConvDirection::forward};
    case Op::conv_backward_data:
      return {plain, ConvDirection::data};
    case Op::conv_backward_weights:
      return {plain, ConvDirection::weights};
    case Op::conv_transpose_forward:
      return {transposed, ConvDirection::data};
    case Op::conv_transpose_backward_data:
      return {transposed, ConvDirection::forward};
    default:
      return {transposed, ConvDirection::weights};
  }
}

}  // namespace cpu

namespace {

TileSizes sizes_for(const Epilogue& epilogue) {
  return epilogue.inference ? TileSizes::all : TileSizes::exact;
}

}  // namespace

void CpuBackend::convolve(ConvDirection direction, const ConvShape& shape, TileSizes sizes,
                          const Tensor& from, const Weights& w, const Epilogue& epilogue,
                          const Tensor& to, Write write) {
  // A convolution that sees a photo costs little, and what it loses all others lose: of the error
  // that rounding brings to a generator's colours nine tenths are its first layer's.
  const bool pairs = products_ == CpuProducts::bf16 && from.shape().c >= cpu::kVector;
  if (cpu::conv_winograd_pays(direction, shape)) {
    const auto run = pairs ? cpu::conv_winograd_pairs : cpu::conv_winograd;
    run(direction, shape, pairs ? TileSizes::plain : sizes, from, w, packs_, epilogue, to, write);
  } else {
    const auto run = pairs ? cpu::conv_gather<cpu::Pair> : cpu::conv_gather<float>;
    run(direction, shape, from, w, packs_, epilogue, to, write);
  }
}

void CpuBackend::weights_gradient(const ConvShape& shape, const Tensor& picture, const Tensor& maps,
                                  const Tensor& dw, Write write) {
  const bool pairs = products_ == CpuProducts::bf16;
  const auto run = !pairs && cpu::conv_winograd_pays(ConvDirection::weights, shape)
                       ? cpu::conv_winograd_weights
                   : pairs ? cpu::conv_weights<cpu::Pair>
                           : cpu::conv_weights<float>;
  run(shape, picture, maps, dw, write);
}

void CpuBackend::conv_forward(const ConvGeometry& geometry, const Tensor& x, const Weights& w,
                              const Epilogue& epilogue, const Tensor& y) {
  convolve(ConvDirection::forward, {geometry, x.shape(), y.shape()}, sizes_for(epilogue), x, w,
           epilogue, y, Write::overwrite);
}

void CpuBackend::conv_backward_data(const ConvGeometry& geometry, const Tensor& dy,
                                    const Weights& w, const Tensor& dx, Write write) {
  convolve(ConvDirection::data, {geometry, dx.shape(), dy.shape()}, TileSizes::all, dy, w, {}, dx,
           write);
}

void CpuBackend::conv_backward_weights(const ConvGeometry& geometry, const Tensor& x,
                                       const Tensor& dy, const Tensor& dw, Write write) {
  weights_gradient({geometry, x.shape(), dy.shape()}, x, dy, dw, write);
}

void CpuBackend::conv_transpose_forward(const ConvGeometry& geometry, const Tensor& x,
                                        const Weights& w, const Epilogue& epilogue,
                                        const Tensor& y) {
  convolve(ConvDirection::data, {geometry, y.shape(), x.shape()}, sizes_for(epilogue), x, w,
           epilogue, y, Write::overwrite);
}

void CpuBackend::conv_transpose_backward_data(const ConvGeometry& geometry, const Tensor& dy,
                                              const Weights& w, const Tensor& dx, Write write) {
  convolve(ConvDirection::forward, {geometry, dy.shape(), dx.shape()}, TileSizes::all, dy, w, {},
           dx, write);
}

void CpuBackend::conv_transpose_backward_weights(const ConvGeometry& geometry, const Tensor& x,
                                                 const Tensor& dy, const Tensor& dw, Write write) {
  weights_gradient({geometry, dy.shape(), x.shape()}, dy, x, dw, write);
}

}  // namespace gan
