// Minimal filtering: short convolutions with fewer multiplications than their definition has.
//
// A tile of a convolution in one dimension - `inputs` numbers x and the three weights w give
// `outputs` numbers y - is linear in x and in w, so it can be computed as
//
//   y = A ((B x) * (G w))          * element by element
//
// with constant matrices: B makes `products` numbers of the inputs, G as many of the weights, and A
// sums their products up to outputs. Winograd (1980) showed how few products can do: m + r - 1 for m
// outputs of a filter with r weights, F(m, r), instead of m * r. The matrices come from polynomials:
// a convolution is a product of two of them, which is known everywhere when it is known at as many
// places as it has coefficients, and at one place it is a single multiplication. The places here are
// 0, 1, -1 and infinity (the leading coefficient), with which A and B hold nothing but 0, 1 and -1, and
// where there must be five of them 0, 1/2, -1, 2 and infinity.
//
// In two dimensions the matrices are applied to columns and then to rows of a square tile. Its
// products are products of whole matrices as soon as there are many channels: for each place (p, q)
// of a transformed tile, over all tiles,
//
//   product[p, q][tile, k] = sum over c of (B x B')[p, q][tile, c] * (G w G')[p, q][c, k]
//
// (Lavin and Gray 2015, arXiv 1509.09308). More places save more still, but lose digits: their matrices
// hold large and small numbers. How many depends on the places. Measured in float32 with 256 channels,
// root mean square of the error over that of the result, and multiplications saved:
//
//   stride 1    definition  8.7e-7  1        stride 2   definition   8.7e-7  1
//               F(2,3)      5.1e-7  2.25                F(4,2) down  9.3e-7  1.78
//               F(3,3)      9.6e-7  3.24     transposed definition   4.3e-7  1
//               F(4,3)      1.9e-6  4                   F(3,2) up    4.2e-7  1.65
//                                                       F(4,2) up    8.8e-7  1.78
//
// With 0, 1, -1, 2 and infinity, the usual five, F(4,2) has 1.4e-6 and 1.2e-6. F(4,3) has one place more,
// 0, 1, -1, 1/2, -2 and infinity. TileSizes in conv.h says who takes which. A few results of F(4,3) with
// narrow sums leave the definition's tolerance (kernels/cases/tolerances.h): those take F(3,3). The
// weights' gradient takes F(4,3) where thousands of pixels are summed, whose rounding errors are larger
// than that.
//
// The weights' gradient needs no algorithm of its own. y is linear in w, with the matrix
// A diag(B x) G; its transpose takes the gradient of y to that of w:
//
//   dw = G' ((B x) * (A' dy))
//
// where everything before G' may be summed over all tiles first.
#pragma once

#include <array>
#include <cstdint>

namespace gan::cpu {

// The algorithm for one dimension. Products may share a transformed weight: there are `weights` of
// them, and product p takes weight_of[p].
template <int Inputs, int Outputs, int Products, int Weights, int Taps = 3>
struct Bilinear {
  static constexpr int inputs = Inputs, outputs = Outputs, products = Products, weights = Weights;
  std::array<std::array<float, Inputs>, Products> b{};
  std::array<std::array<float, Taps>, Weights> g{};
  std::array<std::array<float, Products>, Outputs> a{};
  std::array<int, Products> weight_of{};
};

// y[i] = w[0] x[i] + w[1] x[i+1] + w[2] x[i+2] for two outputs: a convolution with stride 1.
inline constexpr Bilinear<4, 2, 4, 4> kSame2 = {
    {{{-1, 0, 1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, -1, 0, 1}}},
    {{{-1, 0, 0}, {.5f, .5f, .5f}, {.5f, -.5f, .5f}, {0, 0, 1}}},
    {{{1, 1, 1, 0}, {0, 1, -1, 1}}},
    {0, 1, 2, 3}};
// Three outputs.
inline constexpr Bilinear<5, 3, 5, 5> kSame3 = {
    {{{1, -1.5f, -1.5f, 1, 0},
      {0, -2, -1, 1, 0},
      {0, 1, -2.5f, 1, 0},
      {0, -.5f, .5f, 1, 0},
      {0, 1, -1.5f, -1.5f, 1}}},
    {{{1, 0, 0},
      {-8 / 9.f, -4 / 9.f, -2 / 9.f},
      {-2 / 9.f, 2 / 9.f, -2 / 9.f},
      {1 / 9.f, 2 / 9.f, 4 / 9.f},
      {0, 0, 1}}},
    {{{1, 1, 1, 1, 0}, {0, .5f, -1, 2, 0}, {0, .25f, 1, 4, 1}}},
    {0, 1, 2, 3, 4}};
// Four outputs.
inline constexpr Bilinear<6, 4, 6, 6> kSame4 = {
    {{{1, -1.5f, -2, 1.5f, 1, 0},
      {0, -1, .5f, 2.5f, 1, 0},
      {0, 1, -2.5f, .5f, 1, 0},
      {0, -2, -1, 2, 1, 0},
      {0, .5f, -1, -.5f, 1, 0},
      {0, 1, -1.5f, -2, 1.5f, 1}}},
    {{{1, 0, 0},
      {1 / 3.f, 1 / 3.f, 1 / 3.f},
      {-1 / 3.f, 1 / 3.f, -1 / 3.f},
      {-16 / 15.f, -8 / 15.f, -4 / 15.f},
      {1 / 15.f, -2 / 15.f, 4 / 15.f},
      {0, 0, 1}}},
    {{{1, 1, 1, 1, 1, 0}, {0, 1, -1, .5f, -2, 0}, {0, 1, 1, .25f, 4, 0}, {0, 1, -1, .125f, -8, 1}}},
    {0, 1, 2, 3, 4, 5}};

// y[i] = w[0] x[i] + w[1] x[i+1], for two to four outputs. The parts of the next two.
inline constexpr Bilinear<3, 2, 3, 3, 2> kPair2 = {{{{-1, 1, 0}, {0, 1, 0}, {0, -1, 1}}},
                                                   {{{-1, 0}, {1, 1}, {0, 1}}},
                                                   {{{1, 1, 0}, {0, 1, 1}}},
                                                   {0, 1, 2}};
inline constexpr Bilinear<4, 3, 4, 4, 2> kPair3 = {
    {{{-1, 0, 1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, -1, 0, 1}}},
    {{{-1, 0}, {.5f, .5f}, {.5f, -.5f}, {0, 1}}},
    {{{1, 1, 1, 0}, {0, 1, -1, 0}, {0, 1, 1, 1}}},
    {0, 1, 2, 3}};
inline constexpr Bilinear<5, 4, 5, 5, 2> kPair4 = {
    {{{1, -1.5f, -1.5f, 1, 0},
      {0, -2, -1, 1, 0},
      {0, 1, -2.5f, 1, 0},
      {0, -.5f, .5f, 1, 0},
      {0, 1, -1.5f, -1.5f, 1}}},
    {{{1, 0}, {-8 / 9.f, -4 / 9.f}, {-2 / 9.f, 2 / 9.f}, {1 / 9.f, 2 / 9.f}, {0, 1}}},
    {{{1, 1, 1, 1, 0}, {0, .5f, -1, 2, 0}, {0, .25f, 1, 4, 0}, {0, .125f, -1, 8, 1}}},
    {0, 1, 2, 3, 4}};

// y[i] = w[0] x[2i] + w[1] x[2i+1] + w[2] x[2i+2]: a convolution with stride 2. A pair filter of the
// even inputs, and the odd ones times w[1].
template <int I, int M, int P>
constexpr auto stride_two(const Bilinear<I, M, P, P, 2>& pair) {
  Bilinear<2 * M + 1, M, P + M, P + 1> all;
  for (int p = 0; p < P; ++p) {
    for (int i = 0; i < I; ++i) all.b[p][2 * i] = pair.b[p][i];
    for (int m = 0; m < M; ++m) all.a[m][p] = pair.a[m][p];
    all.g[p] = {pair.g[p][0], 0, pair.g[p][1]};
    all.weight_of[p] = p;
  }
  for (int m = 0; m < M; ++m) {
    all.b[P + m][2 * m + 1] = 1;
    all.a[m][P + m] = 1;
    all.weight_of[P + m] = P;
  }
  all.g[P][1] = 1;
  return all;
}

// y[2i] = w[1] x[i], y[2i+1] = w[2] x[i] + w[0] x[i+1]: a transposed convolution with stride 2. The
// odd outputs are a pair filter.
template <int I, int M, int P>
constexpr auto transposed(const Bilinear<I, M, P, P, 2>& pair) {
  Bilinear<I, 2 * M, P + M, P + 1> all;
  for (int p = 0; p < P; ++p) {
    all.b[p] = pair.b[p];
    for (int m = 0; m < M; ++m) all.a[2 * m + 1][p] = pair.a[m][p];
    all.g[p] = {pair.g[p][1], 0, pair.g[p][0]};
    all.weight_of[p] = p;
  }
  for (int m = 0; m < M; ++m) {
    all.b[P + m][m] = 1;
    all.a[2 * m][P + m] = 1;
    all.weight_of[P + m] = P;
  }
  all.g[P][1] = 1;
  return all;
}

inline constexpr auto kDown2 = stride_two(kPair2);
inline constexpr auto kDown3 = stride_two(kPair3);
inline constexpr auto kDown4 = stride_two(kPair4);
inline constexpr auto kUp2 = transposed(kPair2);
inline constexpr auto kUp3 = transposed(kPair3);
inline constexpr auto kUp4 = transposed(kPair4);

}  // namespace gan::cpu
