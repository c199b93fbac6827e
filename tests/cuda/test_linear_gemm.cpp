// What cuBLAS is asked for a linear layer, multiplied out by hand. Needs neither it nor a GPU.
#include <catch2/catch.hpp>
#include <vector>

#include "kernels/cudnn/linear_gemm.h"

namespace gan::testing {
namespace {

// C = op(A) op(B), counted column by column as cuBLAS does; all numbers are small and whole.
std::vector<float> multiply(const cudnn::LinearGemm& g, const std::vector<float>& a,
                            const std::vector<float>& b, size_t results) {
  std::vector<float> c(results, -1);
  for (int64_t row = 0; row < g.m; ++row) {
    for (int64_t column = 0; column < g.n; ++column) {
      float sum = 0;
      for (int64_t k = 0; k < g.k; ++k) {
        sum += a.at(g.transpose_a ? k + row * g.a_pitch : row + k * g.a_pitch) *
               b.at(g.transpose_b ? column + k * g.b_pitch : k + column * g.b_pitch);
      }
      c.at(row + column * g.c_pitch) = sum;
    }
  }
  return c;
}

std::vector<float> counted(size_t count, int step) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i)
    values[i] = static_cast<float>(static_cast<int>(i) * step % 7 - 3);
  return values;
}

}  // namespace

TEST_CASE("a linear layer's three directions are the matrix products that cuBLAS is asked for") {
  constexpr int64_t kPictures = 3, kFeatures = 5, kOutputs = 2, kPitch = 4;  // of y and dy
  const std::vector<float> x = counted(kPictures * kFeatures, 2),
                           w = counted(kOutputs * kFeatures, 3),
                           dy = counted(kPictures * kPitch, 5);
  const auto y = multiply(cudnn::linear_forward_gemm(kPictures, kFeatures, kOutputs, kPitch), w, x,
                          kPictures * kPitch);
  const auto dx = multiply(cudnn::linear_data_gradient_gemm(kPictures, kFeatures, kOutputs, kPitch),
                           w, dy, x.size());
  const auto dw = multiply(
      cudnn::linear_weight_gradient_gemm(kPictures, kFeatures, kOutputs, kPitch), x, dy, w.size());
  for (int64_t n = 0; n < kPictures; ++n) {
    for (int64_t o = 0; o < kPitch; ++o) {
      float sum = 0;
      for (int64_t f = 0; f < kFeatures && o < kOutputs; ++f)
        sum += x[n * kFeatures + f] * w[o * kFeatures + f];
      CHECK(y[n * kPitch + o] == (o < kOutputs ? sum : -1));  // what lies between is left alone
    }
    for (int64_t f = 0; f < kFeatures; ++f) {
      float sum = 0;
      for (int64_t o = 0; o < kOutputs; ++o) sum += dy[n * kPitch + o] * w[o * kFeatures + f];
      CHECK(dx[n * kFeatures + f] == sum);
    }
  }
  for (int64_t o = 0; o < kOutputs; ++o) {
    for (int64_t f = 0; f < kFeatures; ++f) {
      float sum = 0;
      for (int64_t n = 0; n < kPictures; ++n) sum += dy[n * kPitch + o] * x[n * kFeatures + f];
      CHECK(dw[o * kFeatures + f] == sum);
    }
  }
}

}  // namespace gan::testing
