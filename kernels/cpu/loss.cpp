// Losses, their mean and their gradient in one pass.
//
//   BCE with logits: max(x, 0) - x*t + log(1 + exp(-|x|)),  slope sigmoid(x) - t
//   L1:              |x - t|,                               slope sign(x - t)
//   MSE:             (x - t)^2,                             slope 2 (x - t)
//   relativistic:    log(1 + exp(low - high)),              slope sigmoid(low - high) of low
//
// Bytes moved per float: 4 for x, 4 for a target tensor, 4 for dx (8 when accumulating).
#include <cmath>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/pieces.h"
#include "kernels/cpu/simd.h"

namespace gan {
namespace {

using cpu::Piece;
using cpu::Pieces;

constexpr int64_t kLanes = 16;  // sums running side by side

struct Term {
  float value, slope;
};

struct L1 {
  static GAN_INLINE Term term(float x, float t) {
    const float d = x - t;
    return {std::fabs(d), (d > 0 ? 1.0f : 0.0f) - (d < 0 ? 1.0f : 0.0f)};
  }
};
struct Mse {
  static GAN_INLINE Term term(float x, float t) {
    const float d = x - t;
    return {d * d, 2 * d};
  }
};

// The sum of the terms of `count` numbers; dx may be null.
template <class Loss>
GAN_INLINE float run_terms(int64_t count, const float* x, const float* target, float factor,
                           float* dx, bool accumulate) {
  float lanes[kLanes] = {}, sum = 0;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane)
      lanes[lane] += Loss::term(x[i + lane], target[i + lane]).value;
  for (; i < count; ++i) sum += Loss::term(x[i], target[i]).value;
  for (int64_t lane = 0; lane < kLanes; ++lane) sum += lanes[lane];
  // x and target are still in the first-level cache or on their way to it.
  if (dx && accumulate) {
    for (i = 0; i < count; ++i) dx[i] += factor * Loss::term(x[i], target[i]).slope;
  } else if (dx) {
    for (i = 0; i < count; ++i) dx[i] = factor * Loss::term(x[i], target[i]).slope;
  }
  return sum;
}

GAN_SIMD float l1_run(int64_t count, const float* x, const float* target, float factor, float* dx,
                      bool accumulate) {
  return run_terms<L1>(count, x, target, factor, dx, accumulate);
}

GAN_SIMD float mse_run(int64_t count, const float* x, const float* target, float factor, float* dx,
                       bool accumulate) {
  return run_terms<Mse>(count, x, target, factor, dx, accumulate);
}

float bce_run(int64_t count, const float* x, float target, float factor, float* dx,
              bool accumulate) {
  float sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const float e = std::exp(-std::fabs(x[i]));
    sum += std::fmax(x[i], 0.0f) - x[i] * target + std::log1p(e);
    if (!dx) continue;
    const float sigmoid = x[i] >= 0 ? 1 / (1 + e) : e / (1 + e);
    dx[i] = factor * (sigmoid - target) + (accumulate ? dx[i] : 0.0f);
  }
  return sum;
}

// Either gradient may be null.
float relativistic_run(int64_t count, const float* higher, const float* lower, float factor,
                       float* d_higher, float* d_lower, bool accumulate) {
  float sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const float lag = lower[i] - higher[i], e = std::exp(-std::fabs(lag));
    sum += std::fmax(lag, 0.0f) + std::log1p(e);
    const float slope = factor * (lag >= 0 ? 1 / (1 + e) : e / (1 + e));
    if (d_higher) d_higher[i] = (accumulate ? d_higher[i] : 0.0f) - slope;
    if (d_lower) d_lower[i] = (accumulate ? d_lower[i] : 0.0f) + slope;
  }
  return sum;
}

// loss = the mean of what run(piece, row) adds up; `partial` holds one number per piece.
template <class Run>
void mean_of(const Pieces& pieces, const Tensor& x, float* partial, const Tensor& loss, Run&& run) {
  pieces.run([&](const Piece& piece) {
    double sum = 0;
    for (int64_t row = 0; row < piece.rows; ++row) sum += run(piece, row);
    partial[piece.index] = static_cast<float>(sum);
  });
  double total = 0;
  for (int64_t i = 0; i < pieces.count(); ++i) total += partial[i];
  *loss.as<float>() = static_cast<float>(total / static_cast<double>(x.elements()));
}

float* row_of(const Tensor& tensor, const Piece& piece, int64_t row) {
  return tensor ? piece.at(tensor) + row * tensor.pitch() : nullptr;
}

}  // namespace

void CpuBackend::bce_with_logits(const Tensor& x, float target, float weight, const Tensor& loss,
                                 const Tensor& dx, Write write) {
  const Pieces pieces(x, dx ? dx : x);
  const float factor = weight / static_cast<float>(x.elements());
  mean_of(pieces, x, scratch(pieces.count()), loss, [&](const Piece& piece, int64_t row) {
    return bce_run(piece.cols, row_of(x, piece, row), target, factor, row_of(dx, piece, row),
                   write == Write::accumulate);
  });
}

void CpuBackend::l1_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
                         const Tensor& dx, Write write) {
  const Pieces pieces(x, target, dx ? dx : x);
  const float factor = weight / static_cast<float>(x.elements());
  mean_of(pieces, x, scratch(pieces.count()), loss, [&](const Piece& piece, int64_t row) {
    return l1_run(piece.cols, row_of(x, piece, row), row_of(target, piece, row), factor,
                  row_of(dx, piece, row), write == Write::accumulate);
  });
}

void CpuBackend::mse_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
                          const Tensor& dx, Write write) {
  const Pieces pieces(x, target, dx ? dx : x);
  const float factor = weight / static_cast<float>(x.elements());
  mean_of(pieces, x, scratch(pieces.count()), loss, [&](const Piece& piece, int64_t row) {
    return mse_run(piece.cols, row_of(x, piece, row), row_of(target, piece, row), factor,
                   row_of(dx, piece, row), write == Write::accumulate);
  });
}

void CpuBackend::relativistic_loss(const Tensor& higher, const Tensor& lower, float weight,
                                   const Tensor& loss, const Tensor& d_higher,
                                   const Tensor& d_lower, Write write) {
  const Pieces pieces(higher, lower, d_higher ? d_higher : higher, d_lower ? d_lower : lower);
  const float factor = weight / static_cast<float>(higher.elements());
  mean_of(pieces, higher, scratch(pieces.count()), loss, [&](const Piece& piece, int64_t row) {
    return relativistic_run(piece.cols, row_of(higher, piece, row), row_of(lower, piece, row),
                            factor, row_of(d_higher, piece, row), row_of(d_lower, piece, row),
                            write == Write::accumulate);
  });
}

}  // namespace gan
