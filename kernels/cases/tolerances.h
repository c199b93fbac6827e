// How far a result may lie from the reference's, per operation and arithmetic, each with a reason.
#pragma once

#include <algorithm>
#include <cmath>

#include "kernels/backend.h"

namespace gan::cases {

// How a backend computes. Pictures are stored as float32 (f32, tf32, bf16_products), bfloat16 or
// float64; parameters, their gradients, statistics and losses as float32, or float64 for f64. Inputs
// are made representable in the factors' precision (tf32: 11 significant bits, bf16 and
// bf16_products: 8), so that every product is exact and only the sums may differ. With bf16_products
// those of convolutions are sixteenths: then what minimal filtering multiplies, sums of a few of them, has no
// more than 8 bits either.
enum class Precision : uint8_t { f32, tf32, bf16, bf16_products, f64 };

constexpr DType data_type(Precision precision) {
  return precision == Precision::bf16  ? DType::bf16
         : precision == Precision::f64 ? DType::f64
                                       : DType::f32;
}
constexpr DType real_type(Precision precision) {
  return precision == Precision::f64 ? DType::f64 : DType::f32;
}

// Allowed: sqrt(terms) * (atol * rms + rtol * |sum|) + the rounding when the result is stored, with
// rms that of all sums of the tensor and terms the length of the sum behind one result. Rounding
// errors of a sum wander, so they grow with the root of its length. A term left out changes the
// result by rms / sqrt(terms), which is far more for any sum of these networks.
struct Tolerance {
  Op op;
  bool tensor_cores;  // tf32 and bf16, against f32
  double atol, rtol;
  const char* why;
};

inline constexpr const char* kWhySums = "float32 sums in another order";
inline constexpr const char* kWhyTensorCores = "tensor cores cut off, not round, while they add";
inline constexpr const char* kWhyExact = "the same arithmetic on single elements";

inline constexpr Tolerance kTolerances[] = {
    {Op::conv_forward, false, 5e-7, 1e-6, kWhySums},
    {Op::conv_forward, true, 2e-6, 4e-6, kWhyTensorCores},
    {Op::conv_backward_data, false, 5e-7, 1e-6, kWhySums},
    {Op::conv_backward_data, true, 2e-6, 4e-6, kWhyTensorCores},
    {Op::conv_backward_weights, false, 5e-7, 1e-6, kWhySums},
    {Op::conv_backward_weights, true, 2e-6, 4e-6, kWhyTensorCores},
    {Op::conv_transpose_forward, false, 5e-7, 1e-6, kWhySums},
    {Op::conv_transpose_forward, true, 2e-6, 4e-6, kWhyTensorCores},
    {Op::conv_transpose_backward_data, false, 5e-7, 1e-6, kWhySums},
    {Op::conv_transpose_backward_data, true, 2e-6, 4e-6, kWhyTensorCores},
    {Op::conv_transpose_backward_weights, false, 5e-7, 1e-6, kWhySums},
    {Op::conv_transpose_backward_weights, true, 2e-6, 4e-6, kWhyTensorCores},
    {Op::batch_norm, false, 1e-6, 1e-6, "sums, then a difference of numbers of like size"},
    {Op::activation, false, 2.5e-7, 1e-6, "exp and tanh in float32, a few last bits each"},
    {Op::avg_pool, false, 2.5e-7, 2.5e-7, "three additions of like size"},
    {Op::max_pool, false, 0, 0, "copies"},
    {Op::upsample, false, 2.5e-7, 2.5e-7, "weights that are powers of two and thrice that"},
    {Op::augment, false, 0, 0, "copies"},
    {Op::linear, false, 5e-7, 1e-6, kWhySums},
    {Op::linear, true, 2e-6, 4e-6, kWhyTensorCores},
    {Op::loss, false, 5e-7, 1e-6, "float32 sums, exp and log"},
    {Op::adam, false, 5e-7, 1e-6, "division and root in float32, corrections in float64"},
    {Op::memory, false, 5e-7, 1e-6,
     "channel_sum adds in another order; the rest round once or twice"},
    {Op::batch, false, 0, 2.5e-7, "a division by 255 may be a multiplication"},
};

inline const Tolerance& tolerance_for(Op op, Precision precision) {
  const bool tensor_cores = precision == Precision::tf32 || precision == Precision::bf16;
  const Tolerance* found = nullptr;
  for (const Tolerance& row : kTolerances)
    if (row.op == op && (!row.tensor_cores || tensor_cores)) found = &row;
  require(found != nullptr, "no tolerance for ", gan::name_of(op));
  return *found;
}

// The relative error of rounding to a type.
constexpr double rounding_of(DType type) {
  return type == DType::f64 ? 0x1p-53 : type == DType::bf16 ? 0x1p-8 : 0x1p-24;
}

// What one element may be off by, whose exact value is sum + old. `old`: what it held before, when
// the call adds to that, or 0.
inline double allowed_error(const Tolerance& tolerance, Precision precision, DType stored,
                            int64_t terms, double rms, double sum, double old) {
  // Below this, a tensor counts as zero but for rounding errors; inputs are of the order of 1.
  constexpr double kSmallestRms = 1e-2;
  const double arithmetic = precision == Precision::f64 ? 0x1p-29 : 1.0;  // 53 bits against 24
  const double spread = arithmetic * std::sqrt(static_cast<double>(terms));
  return spread * (tolerance.atol * std::max(rms, kSmallestRms) + tolerance.rtol * std::abs(sum)) +
         rounding_of(stored) * (std::abs(sum + old) + std::abs(old));
}

}  // namespace gan::cases
