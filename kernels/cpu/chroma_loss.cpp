// Losses of chroma against the truth; the formulas are in reference/chroma_loss.h. Pictures are
// small here (two channels), and so is the time: bytes moved per float are 8 and 4 for dx.
#include <algorithm>
#include <cmath>

#include "engine/parallel.h"
#include "kernels/cpu/cpu_backend.h"

namespace gan {
namespace {

constexpr int64_t kPixels = 4096;  // of a piece of the chroma loss

float sign(float value) {
  return value > 0 ? 1.0f : value < 0 ? -1.0f : 0.0f;
}

// The cell of -1..1, cut into `cells`, that holds `value`.
int64_t cell_of(float value, int64_t cells) {
  const auto last = static_cast<float>(cells - 1);
  const float cell = std::floor((value + 1) * 0.5f * static_cast<float>(cells));
  return static_cast<int64_t>(std::fmin(std::fmax(cell, 0.0f), last));
}

// What the sums over one picture's channel give.
struct Moments {
  float mean, spread;
};
Moments moments(const float* x, int64_t count, int64_t pitch) {
  constexpr double kEps = 1e-4;
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < count; ++i) sum += x[i * pitch];
  const double mean = sum / static_cast<double>(count);
  for (int64_t i = 0; i < count; ++i) {
    const double distance = x[i * pitch] - mean;
    squares += distance * distance;
  }
  return {static_cast<float>(mean),
          static_cast<float>(std::sqrt(squares / static_cast<double>(count) + kEps))};
}

// loss = the sum of the partial sums, in their order, divided by `count`.
void store_mean(const float* partial, int64_t partials, int64_t count, const Tensor& loss) {
  double total = 0;
  for (int64_t i = 0; i < partials; ++i) total += partial[i];
  *loss.as<float>() = static_cast<float>(total / static_cast<double>(count));
}

}  // namespace

void CpuBackend::chroma_loss(const Tensor& x, const Tensor& target, const Tensor& weights,
                             float beta, float weight, const Tensor& loss, const Tensor& dx,
                             Write write) {
  const Shape& s = x.shape();
  const int64_t cells = weights.shape().h;
  const Shape table_shape = {1, cells, cells, 1};
  require(s.c == 2 && target.shape() == s && (!dx || dx.shape() == s) &&
              weights.shape() == table_shape && weights.dense(),
          "chroma loss: x ", s, ", target ", target.shape(), ", weights ", weights.shape());
  const float factor = weight / static_cast<float>(s.elements());
  const auto* table = weights.as<float>();
  float* partial = scratch((s.pixels() + kPixels - 1) / kPixels);
  parallel_ranges(s.pixels(), kPixels, [&](int64_t begin, int64_t end) {
    double sum = 0;
    for (int64_t pixel = begin; pixel < end; ++pixel) {
      const float* from = x.as<float>() + pixel * x.pitch();
      const float* truth = target.as<float>() + pixel * target.pitch();
      float* out = dx ? dx.as<float>() + pixel * dx.pitch() : nullptr;
      const float v = table[cell_of(truth[0], cells) * cells + cell_of(truth[1], cells)];
      for (int64_t c = 0; c < 2; ++c) {
        const float d = from[c] - truth[c], size = std::fabs(d);
        const bool near = size < beta;
        sum += v * (near ? 0.5f * d * d / beta : size - 0.5f * beta);
        if (!out) continue;
        const float slope = factor * v * (near ? d / beta : sign(d));
        out[c] = write == Write::accumulate ? out[c] + slope : slope;
      }
    }
    partial[begin / kPixels] = static_cast<float>(sum);
  });
  store_mean(partial, (s.pixels() + kPixels - 1) / kPixels, s.elements(), loss);
}

void CpuBackend::moment_loss(const Tensor& x, const Tensor& target, float weight,
                             const Tensor& loss, const Tensor& dx, Write write) {
  const Shape& s = x.shape();
  require(target.shape() == s && (!dx || dx.shape() == s), "moment loss: x ", s, ", target ",
          target.shape());
  const int64_t pixels = s.h * s.w, terms = s.n * s.c;
  float* partial = scratch(terms);
  parallel_for(terms, [&](int64_t i) {
    const int64_t first = i / s.c * pixels, c = i % s.c;
    const float* from = x.as<float>() + first * x.pitch() + c;
    const Moments of_x = moments(from, pixels, x.pitch());
    const Moments truth =
        moments(target.as<float>() + first * target.pitch() + c, pixels, target.pitch());
    partial[i] = std::fabs(of_x.mean - truth.mean) + std::fabs(of_x.spread - truth.spread);
    if (!dx) return;
    const float factor = weight / static_cast<float>(s.elements());
    const float constant = factor * sign(of_x.mean - truth.mean);
    const float slope = factor * sign(of_x.spread - truth.spread) / of_x.spread;
    float* out = dx.as<float>() + first * dx.pitch() + c;
    for (int64_t p = 0; p < pixels; ++p, out += dx.pitch()) {
      const float result = constant + slope * (from[p * x.pitch()] - of_x.mean);
      *out = write == Write::accumulate ? *out + result : result;
    }
  });
  store_mean(partial, terms, terms, loss);
}

}  // namespace gan
