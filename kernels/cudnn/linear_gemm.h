// A linear layer as the matrix products that cuBLAS is asked for. Needs neither it nor a device.
//
// cuBLAS counts matrices column by column: what is a row for us, a picture with its features, is a
// column there. So x {N, F} is a matrix of F x N, the weights {O, F} one of F x O, y {N, O} of O x N,
// and C = op(A) op(B) of m x n with sums of k terms is
//   forward           y  = w^T x     O x N, over F
//   data gradient     dx = w dy      F x N, over O
//   weight gradient   dw = x dy^T    F x O, over N
#pragma once

#include <cstdint>

namespace gan::cudnn {

struct LinearGemm {
  bool transpose_a = false, transpose_b = false;
  int64_t m = 0, n = 0, k = 0;
  int64_t a_pitch = 0, b_pitch = 0, c_pitch = 0;  // from one column to the next
};

// `y_pitch`: from one picture's outputs to the next's; x and the weights are dense.
constexpr LinearGemm linear_forward_gemm(int64_t pictures, int64_t features, int64_t outputs,
                                         int64_t y_pitch) {
  return {true, false, outputs, pictures, features, features, features, y_pitch};
}
constexpr LinearGemm linear_data_gradient_gemm(int64_t pictures, int64_t features, int64_t outputs,
                                               int64_t y_pitch) {
  return {false, false, features, pictures, outputs, features, y_pitch, features};
}
constexpr LinearGemm linear_weight_gradient_gemm(int64_t pictures, int64_t features,
                                                 int64_t outputs, int64_t y_pitch) {
  return {false, true, features, outputs, pictures, features, y_pitch, features};
}

}  // namespace gan::cudnn
