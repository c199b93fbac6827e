// Random numbers, and dropout: y = keep ? x / (1 - p) : 0, where element i is dropped when its random
// number is below p. The numbers depend on the element's place only, so backward draws the same ones
// again and no mask is stored.
//
// Bytes moved per float: fill_uniform 4, dropout 8 (12 when accumulating). The random numbers cost
// more than the bytes, so many Philox blocks are computed side by side (uniform.cpp).
#include <algorithm>
#include <array>

#include "engine/parallel.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/simd.h"
#include "kernels/cpu/uniform.h"

namespace gan {
namespace {

constexpr int64_t kPiece = 4096;  // numbers drawn at once: 16 KB
static_assert(kPiece % cpu::kUniformBatch == 0);

GAN_SIMD void drop(int64_t count, float p, float factor, const float* __restrict uniform,
                   const float* x, float* y, bool accumulate) {
  if (accumulate) {
    GAN_INDEPENDENT
    for (int64_t i = 0; i < count; ++i) y[i] += uniform[i] < p ? 0.0f : x[i] * factor;
  } else {
    GAN_INDEPENDENT
    for (int64_t i = 0; i < count; ++i) y[i] = uniform[i] < p ? 0.0f : x[i] * factor;
  }
}

// Draws the numbers of all elements of `shape`, in parallel, and runs
// body(numbers, pixel, channel, count) for runs of neighbouring elements: all of a piece when `flat`
// (pixel is 0 then and channel counts on), else within one pixel.
template <class Body>
void for_uniform(const Shape& shape, const RandomKey& key, bool flat, Body&& body) {
  const uint64_t high = (*key.step << 20) | key.stream;  // as in RandomKey::block
  parallel_ranges(shape.elements(), kPiece, [&](int64_t begin, int64_t end) {
    alignas(64) std::array<float, kPiece> uniform;
    cpu::draw_uniform(key.seed, high, static_cast<uint64_t>(begin / 4), end - begin,
                      uniform.data());
    for (int64_t i = begin; i < end;) {
      const int64_t pixel = flat ? 0 : i / shape.c, channel = i - pixel * shape.c;
      const int64_t count = flat ? end - i : std::min(end - i, shape.c - channel);
      body(&uniform[static_cast<size_t>(i - begin)], pixel, channel, count);
      i += count;
    }
  });
}

}  // namespace

void CpuBackend::dropout(float p, const RandomKey& key, const Tensor& x, const Tensor& y,
                         Write write) {
  require(p >= 0 && p < 1, "dropout: p is ", p, ", expected 0 <= p < 1");
  require(x.shape() == y.shape(), "dropout of ", x.shape(), " into ", y.shape());
  const float factor = static_cast<float>(1.0 / (1.0 - static_cast<double>(p)));
  for_uniform(x.shape(), key, x.dense() && y.dense(),
              [&](const float* uniform, int64_t pixel, int64_t channel, int64_t count) {
                drop(count, p, factor, uniform, x.as<float>() + pixel * x.pitch() + channel,
                     y.as<float>() + pixel * y.pitch() + channel, write == Write::accumulate);
              });
}

void CpuBackend::fill_uniform(const RandomKey& key, const Tensor& x) {
  for_uniform(x.shape(), key, x.dense(),
              [&](const float* uniform, int64_t pixel, int64_t channel, int64_t count) {
                std::copy_n(uniform, count, x.as<float>() + pixel * x.pitch() + channel);
              });
}

}  // namespace gan
