// ldmatrix and mma.sync against plain loops over the layouts of the PTX ISA.
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "tests/cuda/test_simulator.h"

namespace gan::gpu {
namespace {

// ---- ldmatrix

constexpr int kPitch =
    24;  // elements between rows: 48 bytes, so that rows are aligned but not neighbours
constexpr int kRows = 32;

template <int Matrices, bool Transposed>
__global__ void ldmatrix_kernel(const uint16_t* in, uint32_t* out) {
  Smem sm;
  uint16_t* rows = sm.take<uint16_t>(kRows * kPitch);
  const int lane = lane_id();
  for (int i = lane; i < kRows * kPitch; i += 32) rows[i] = in[i];
  syncwarp();
  uint32_t r[Matrices];
  // Lane i names a row that is not the i-th, so that a simulator that ignores addresses fails.
  const uint16_t* row = rows + (lane * 5 % kRows) * kPitch + 8;
  if constexpr (Transposed)
    ldmatrix_trans(r, row);
  else
    ldmatrix(r, row);
  GAN_UNROLL
  for (int m = 0; m < Matrices; ++m) out[m * 32 + lane] = r[m];
}

template <int Matrices, bool Transposed>
void check_ldmatrix() {
  std::vector<uint16_t> values(kRows * kPitch);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint16_t>(i * 7 + 1);
  const DeviceArray<uint16_t> in(values);
  const DeviceArray<uint32_t> out(Matrices * 32);
  launch(ldmatrix_kernel<Matrices, Transposed>, 1, 32, Smem::bytes<uint16_t>(kRows * kPitch),
         Stream{}, in.data(), out.data());
  const auto element = [&](int matrix, int row, int column) {
    const int named = (8 * matrix + row) * 5 % kRows;
    return static_cast<uint32_t>(values[static_cast<size_t>(named * kPitch + 8 + column)]);
  };
  std::vector<uint32_t> expected;
  for (int m = 0; m < Matrices; ++m)
    for (int lane = 0; lane < 32; ++lane) {
      const int row = lane / 4, column = lane % 4 * 2;
      expected.push_back(Transposed ? element(m, column, row) | element(m, column + 1, row) << 16
                                    : element(m, row, column) | element(m, row, column + 1) << 16);
    }
  INFO("x" << Matrices << (Transposed ? " transposed" : ""));
  REQUIRE(out.read() == expected);
}

// ---- mma: each lane gathers its fragments of A, B and C from memory and writes its part of D
// back.

__global__ void mma_bf16_kernel(const bf16* a, const bf16* b, const float* c, float* d) {
  const int lane = lane_id(), group = lane / 4, pair = lane % 4 * 2;
  const auto a_word = [&](int row, int k) {
    return static_cast<uint32_t>(a[row * 16 + k].bits) |
           static_cast<uint32_t>(a[row * 16 + k + 1].bits) << 16;
  };
  const auto b_word = [&](int k) {
    return static_cast<uint32_t>(b[k * 8 + group].bits) |
           static_cast<uint32_t>(b[(k + 1) * 8 + group].bits) << 16;
  };
  const uint32_t a_part[4] = {a_word(group, pair), a_word(group + 8, pair), a_word(group, pair + 8),
                              a_word(group + 8, pair + 8)};
  float sums[4] = {c[group * 8 + pair], c[group * 8 + pair + 1], c[(group + 8) * 8 + pair],
                   c[(group + 8) * 8 + pair + 1]};
  mma_bf16(sums, a_part, b_word(pair), b_word(pair + 8));
  d[group * 8 + pair] = sums[0];
  d[group * 8 + pair + 1] = sums[1];
  d[(group + 8) * 8 + pair] = sums[2];
  d[(group + 8) * 8 + pair + 1] = sums[3];
}

__global__ void mma_tf32_kernel(const float* a, const float* b, const float* c, float* d) {
  const int lane = lane_id(), group = lane / 4, k = lane % 4, pair = k * 2;
  const uint32_t a_part[4] = {to_tf32(a[group * 8 + k]), to_tf32(a[(group + 8) * 8 + k]),
                              to_tf32(a[group * 8 + k + 4]), to_tf32(a[(group + 8) * 8 + k + 4])};
  float sums[4] = {c[group * 8 + pair], c[group * 8 + pair + 1], c[(group + 8) * 8 + pair],
                   c[(group + 8) * 8 + pair + 1]};
  mma_tf32(sums, a_part, to_tf32(b[k * 8 + group]), to_tf32(b[(k + 4) * 8 + group]));
  d[group * 8 + pair] = sums[0];
  d[group * 8 + pair + 1] = sums[1];
  d[(group + 8) * 8 + pair] = sums[2];
  d[(group + 8) * 8 + pair + 1] = sums[3];
}

// A value as the tensor core sees it.
float rounded(bf16 value) {
  return host_float(value);
}
float rounded(float value) {
  return host_tf32(value);
}

template <int K, class T>
void check_mma(void (*kernel)(const T*, const T*, const float*, float*), const std::vector<T>& a,
               const std::vector<T>& b, float tolerance) {
  const std::vector<float> c = test_values<float>(16 * 8, 3);
  const DeviceArray<T> device_a(a), device_b(b);
  const DeviceArray<float> device_c(c), device_d(16 * 8);
  launch(kernel, 1, 32, 0, Stream{}, device_a.data(), device_b.data(), device_c.data(),
         device_d.data());
  const std::vector<float> d = device_d.read();
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 8; ++j) {
      double expected = static_cast<double>(c[static_cast<size_t>(i * 8 + j)]);
      for (int k = 0; k < K; ++k)
        expected += static_cast<double>(rounded(a[static_cast<size_t>(i * K + k)])) *
                    static_cast<double>(rounded(b[static_cast<size_t>(k * 8 + j)]));
      INFO("row " << i << ", column " << j);
      REQUIRE(std::fabs(static_cast<double>(d[static_cast<size_t>(i * 8 + j)]) - expected) <=
              tolerance);
    }
}

// 1 where row and column agree in a permutation, so that every element of the other operand is seen
// once.
template <class T>
std::vector<T> permutation(int rows, int columns) {
  std::vector<T> values(static_cast<size_t>(rows * columns));
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c)
      assign(values[static_cast<size_t>(r * columns + c)], (r * 3 + 1) % columns == c);
  return values;
}

TEST_CASE("ldmatrix loads 1, 2 and 4 matrices, plain and transposed", "[cuda][conformance]") {
  check_ldmatrix<1, false>();
  check_ldmatrix<2, false>();
  check_ldmatrix<4, false>();
  check_ldmatrix<1, true>();
  check_ldmatrix<2, true>();
  check_ldmatrix<4, true>();
}

TEST_CASE("mma m16n8k16 multiplies bf16 and adds to float", "[cuda][conformance]") {
  // Two roundings of the largest partial sum, about 8, or truncation where the tensor core aligns
  // its summands.
  constexpr float kTolerance = 4e-6f;
  check_mma<16, bf16>(mma_bf16_kernel, test_values<bf16>(16 * 16, 1), test_values<bf16>(16 * 8, 2),
                      kTolerance);
  check_mma<16, bf16>(mma_bf16_kernel, permutation<bf16>(16, 16), test_values<bf16>(16 * 8, 2),
                      kTolerance);
  check_mma<16, bf16>(mma_bf16_kernel, test_values<bf16>(16 * 16, 1), permutation<bf16>(16, 8),
                      kTolerance);
}

TEST_CASE("mma m16n8k8 multiplies tf32 and adds to float", "[cuda][conformance]") {
  constexpr float kTolerance = 4e-6f;
  check_mma<8, float>(mma_tf32_kernel, test_values<float>(16 * 8, 4), test_values<float>(8 * 8, 5),
                      kTolerance);
  check_mma<8, float>(mma_tf32_kernel, permutation<float>(16, 8), test_values<float>(8 * 8, 5),
                      kTolerance);
  check_mma<8, float>(mma_tf32_kernel, test_values<float>(16 * 8, 4), permutation<float>(8, 8),
                      kTolerance);
}

}  // namespace
}  // namespace gan::gpu
