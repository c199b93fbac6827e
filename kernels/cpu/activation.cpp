// Activations alone: y = act(x), dx = dy * act'(x), the slope taken from y.
//
// Bytes moved per float: forward 8, backward 12 (16 when accumulating).
#include "kernels/cpu/activation.h"

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/pieces.h"

namespace gan {
namespace {

using cpu::Piece;
using cpu::Pieces;

GAN_SIMD void forward_rows(Activation act, int64_t rows, int64_t cols, const float* x,
                           int64_t x_pitch, float* y, int64_t y_pitch) {
  cpu::with_activation(act, [&]<Activation a>() GAN_INLINE_LAMBDA {
    for (int64_t r = 0; r < rows; ++r, x += x_pitch, y += y_pitch) {
      for (int64_t c = 0; c < cols; ++c) y[c] = cpu::activate<a>(x[c]);
    }
  });
}

GAN_SIMD void backward_rows(Activation act, bool accumulate, int64_t rows, int64_t cols,
                            const float* y, int64_t y_pitch, const float* dy, int64_t dy_pitch,
                            float* dx, int64_t dx_pitch) {
  cpu::with_activation(act, [&]<Activation a>() GAN_INLINE_LAMBDA {
    for (int64_t r = 0; r < rows; ++r, y += y_pitch, dy += dy_pitch, dx += dx_pitch) {
      if (accumulate) {
        GAN_INDEPENDENT
        for (int64_t c = 0; c < cols; ++c) dx[c] += cpu::slope_times<a>(y[c], dy[c]);
      } else {
        GAN_INDEPENDENT
        for (int64_t c = 0; c < cols; ++c) dx[c] = cpu::slope_times<a>(y[c], dy[c]);
      }
    }
  });
}

}  // namespace

void CpuBackend::activation_forward(Activation act, const Tensor& x, const Tensor& y) {
  Pieces(x, y).run([&](const Piece& piece) {
    forward_rows(act, piece.rows, piece.cols, piece.at(x), x.pitch(), piece.at(y), y.pitch());
  });
}

void CpuBackend::activation_backward(Activation act, const Tensor& y, const Tensor& dy,
                                     const Tensor& dx, Write write) {
  Pieces(y, dy, dx).run([&](const Piece& piece) {
    backward_rows(act, write == Write::accumulate, piece.rows, piece.cols, piece.at(y), y.pitch(),
                  piece.at(dy), dy.pitch(), piece.at(dx), dx.pitch());
  });
}

}  // namespace gan
