// Adam (Kingma & Ba 2015):
//
//   m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2
//   p -= lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
//
// Bytes moved per parameter: 28, in one pass.
#include <cmath>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/pieces.h"
#include "kernels/cpu/simd.h"

namespace gan {
namespace {

using cpu::Piece;
using cpu::Pieces;

// What is the same for all parameters of an update.
struct Factors {
  float beta1, one_minus_beta1, beta2, one_minus_beta2;
  float rate;      // lr / (1 - b1^t)
  float inv_root;  // 1 / sqrt(1 - b2^t)
  float eps;
};

GAN_SIMD void update(int64_t count, Factors f, float* __restrict p, const float* __restrict g,
                     float* __restrict m, float* __restrict v) {
  for (int64_t i = 0; i < count; ++i) {
    m[i] = f.beta1 * m[i] + f.one_minus_beta1 * g[i];
    v[i] = f.beta2 * v[i] + f.one_minus_beta2 * (g[i] * g[i]);
    p[i] -= f.rate * m[i] / (std::sqrt(v[i]) * f.inv_root + f.eps);
  }
}

}  // namespace

void CpuBackend::adam(const AdamSettings& settings, const UpdateControl* control,
                      const Tensor& parameters, const Tensor& gradients, const Tensor& first_moment,
                      const Tensor& second_moment) {
  if (!control->enabled) return;
  const double t = static_cast<double>(control->step);
  const Factors factors = {
      .beta1 = static_cast<float>(settings.beta1),
      .one_minus_beta1 = static_cast<float>(1 - settings.beta1),
      .beta2 = static_cast<float>(settings.beta2),
      .one_minus_beta2 = static_cast<float>(1 - settings.beta2),
      .rate = static_cast<float>(control->learning_rate / (1 - std::pow(settings.beta1, t))),
      .inv_root = static_cast<float>(1 / std::sqrt(1 - std::pow(settings.beta2, t))),
      .eps = static_cast<float>(settings.eps)};
  Pieces(parameters, gradients, first_moment, second_moment).run([&](const Piece& piece) {
    for (int64_t row = 0; row < piece.rows; ++row)
      update(piece.cols, factors, piece.at(parameters) + row * parameters.pitch(),
             piece.at(gradients) + row * gradients.pitch(),
             piece.at(first_moment) + row * first_moment.pitch(),
             piece.at(second_moment) + row * second_moment.pitch());
  });
}

}  // namespace gan
