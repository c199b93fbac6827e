// Linear layers with few outputs: y[n, o] = bias[o] + x[n] . w[o], and its gradients.
//
// Bound by memory: with one output each number of x and of dw is touched once. Bytes moved per
// number of x: forward 4, backward data 4 (8 when accumulating), backward weights 4; w and dw come
// on top, once per picture and output in forward (from the cache), once in all otherwise.
#include <algorithm>

#include "engine/parallel.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/simd.h"

namespace gan {
namespace {

constexpr int64_t kPiece = 8192;  // numbers of a picture taken at once: 32 KB
constexpr int64_t kLanes = 32;    // sums running side by side

GAN_SIMD float dot(int64_t count, const float* __restrict a, const float* __restrict b) {
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += a[i + lane] * b[i + lane];
  float sum = 0;
  for (; i < count; ++i) sum += a[i] * b[i];
  for (int64_t lane = 0; lane < kLanes; ++lane) sum += lanes[lane];
  return sum;
}

// y = factor * x, or y += factor * x
GAN_SIMD void scale_into(int64_t count, float factor, const float* __restrict x,
                         float* __restrict y, bool accumulate) {
  if (accumulate) {
    for (int64_t i = 0; i < count; ++i) y[i] += factor * x[i];
  } else {
    for (int64_t i = 0; i < count; ++i) y[i] = factor * x[i];
  }
}

// A picture as rows: one long one when both tensors are dense, else one per pixel.
struct PictureRows {
  PictureRows(const Tensor& a, const Tensor& b) {
    const Shape& s = a.shape();
    require(s.h == b.shape().h && s.w == b.shape().w && s.c == b.shape().c,
            "linear layer: pictures of ", s, " and weights of ", b.shape());
    const bool flat = a.dense() && b.dense();
    cols = flat ? s.h * s.w * s.c : s.c;
    rows = flat ? 1 : s.h * s.w;
  }
  // Cut into pieces of about kPiece numbers.
  int64_t pieces() const {
    return rows == 1 ? (cols + kPiece - 1) / kPiece : (rows + step() - 1) / step();
  }
  struct Part {
    int64_t row, rows, col, cols;
  };
  Part part(int64_t index) const {
    if (rows == 1) return {0, 1, index * kPiece, std::min(kPiece, cols - index * kPiece)};
    return {index * step(), std::min(step(), rows - index * step()), 0, cols};
  }
  int64_t step() const { return std::max<int64_t>(1, kPiece / cols); }

  int64_t rows = 0, cols = 0;
};

// Row `row` of picture n from column `col` on.
float* at(const Tensor& t, int64_t n, int64_t row, int64_t col) {
  return t.as<float>() + (n * t.shape().h * t.shape().w + row) * t.pitch() + col;
}

}  // namespace

void CpuBackend::linear_forward(const Tensor& x, const Weights& w, const Tensor& bias,
                                const Tensor& y) {
  const PictureRows picture(x, w.values);
  const int64_t outputs = w.values.shape().n, pieces = picture.pieces();
  const int64_t results = x.shape().n * outputs;
  float* partial = scratch(results * pieces);
  // Pieces of all pictures and outputs together, so that a single picture keeps all threads busy.
  parallel_for(results * pieces, [&](int64_t i) {
    const int64_t n = i / pieces / outputs, o = i / pieces % outputs;
    const PictureRows::Part part = picture.part(i % pieces);
    float sum = 0;
    for (int64_t row = part.row; row < part.row + part.rows; ++row)
      sum += dot(part.cols, at(x, n, row, part.col), at(w.values, o, row, part.col));
    partial[i] = sum;
  });
  for (int64_t i = 0; i < results; ++i) {
    const int64_t n = i / outputs, o = i % outputs;
    double sum = bias ? bias.as<float>()[o] : 0.0;
    for (int64_t j = 0; j < pieces; ++j) sum += partial[i * pieces + j];
    y.as<float>()[n * y.pitch() + o] = static_cast<float>(sum);
  }
}

void CpuBackend::linear_backward_data(const Tensor& dy, const Weights& w, const Tensor& dx,
                                      Write write) {
  const PictureRows picture(dx, w.values);
  const int64_t outputs = w.values.shape().n, pieces = picture.pieces();
  parallel_for(dx.shape().n * pieces, [&](int64_t i) {
    const int64_t n = i / pieces;
    const PictureRows::Part part = picture.part(i % pieces);
    for (int64_t row = part.row; row < part.row + part.rows; ++row)
      for (int64_t o = 0; o < outputs; ++o)
        scale_into(part.cols, dy.as<float>()[n * dy.pitch() + o], at(w.values, o, row, part.col),
                   at(dx, n, row, part.col), write == Write::accumulate || o > 0);
  });
}

void CpuBackend::linear_backward_weights(const Tensor& x, const Tensor& dy, const Tensor& dw,
                                         Write write) {
  const PictureRows picture(x, dw);
  const int64_t outputs = dw.shape().n, pieces = picture.pieces();
  parallel_for(outputs * pieces, [&](int64_t i) {
    const int64_t o = i / pieces;
    const PictureRows::Part part = picture.part(i % pieces);
    for (int64_t n = 0; n < x.shape().n; ++n)
      for (int64_t row = part.row; row < part.row + part.rows; ++row)
        scale_into(part.cols, dy.as<float>()[n * dy.pitch() + o], at(x, n, row, part.col),
                   at(dw, o, row, part.col), write == Write::accumulate || n > 0);
  });
}

}  // namespace gan
