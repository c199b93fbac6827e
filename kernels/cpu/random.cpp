// Random numbers, and dropout: y = keep ? x / (1 - p) : 0, where element i is dropped when its random
// number is below p. The numbers depend on the element's place only, so backward draws the same ones
// again and no mask is stored. They cost more than the bytes that they decide about, so many Philox
// blocks are computed side by side (uniform.cpp).
#include <algorithm>
#include <array>

#include "engine/parallel.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/dropout.h"
#include "kernels/cpu/simd.h"
#include "kernels/cpu/uniform.h"

namespace gan {
namespace {

constexpr int64_t kPiece = 4096;  // numbers drawn at once: 16 KB
static_assert(kPiece % cpu::kUniformBatch == 0);

// Draws the numbers of elements begin to end and runs body(numbers, element, count) for pieces of them.
template <class Body>
void for_uniform(const RandomKey& key, int64_t begin, int64_t end, Body&& body) {
  const uint64_t high = (*key.step << 20) | key.stream;  // as in RandomKey::block
  alignas(64) std::array<float, kPiece> uniform;
  while (begin < end) {
    const int64_t before = begin % 4, stop = std::min(end, begin - before + kPiece);
    cpu::draw_uniform(key.seed, high, static_cast<uint64_t>(begin / 4), stop - begin + before,
                      uniform.data());
    body(uniform.data() + before, begin, stop - begin);
    begin = stop;
  }
}

// Splits elements into runs within one pixel: body(offset, pixel, channel, count).
template <class Body>
void for_pixels(int64_t element, int64_t count, int64_t channels, Body&& body) {
  for (int64_t done = 0; done < count;) {
    const int64_t pixel = (element + done) / channels, channel = element + done - pixel * channels;
    const int64_t run = std::min(count - done, channels - channel);
    body(done, pixel, channel, run);
    done += run;
  }
}

GAN_SIMD void drop(int64_t count, float p, float factor, const float* __restrict uniform,
                   const float* x, float* y) {
  GAN_INDEPENDENT
  for (int64_t i = 0; i < count; ++i) y[i] = uniform[i] < p ? 0.0f : x[i] * factor;
}

}  // namespace

void cpu::drop_rows(const Dropout& dropout, int64_t first_pixel, int64_t rows, int64_t channels,
                    const float* x, int64_t x_pitch, float* y, int64_t y_pitch) {
  const float p = dropout.p, factor = dropout.factor();
  const int64_t first = first_pixel * channels;
  for_uniform(dropout.key, first, first + rows * channels,
              [&](const float* uniform, int64_t element, int64_t count) {
                const int64_t begin = element - first;
                if (x_pitch == channels && y_pitch == channels)
                  return drop(count, p, factor, uniform, x + begin, y + begin);
                for_pixels(begin, count, channels,
                           [&](int64_t offset, int64_t pixel, int64_t channel, int64_t run) {
                             drop(run, p, factor, uniform + offset, x + pixel * x_pitch + channel,
                                  y + pixel * y_pitch + channel);
                           });
              });
}

void CpuBackend::fill_uniform(const RandomKey& key, const Tensor& x) {
  parallel_ranges(x.shape().elements(), kPiece, [&](int64_t begin, int64_t end) {
    for_uniform(key, begin, end, [&](const float* uniform, int64_t element, int64_t count) {
      if (x.dense()) {
        std::copy_n(uniform, count, x.as<float>() + element);
        return;
      }
      for_pixels(element, count, x.shape().c,
                 [&](int64_t offset, int64_t pixel, int64_t channel, int64_t run) {
                   std::copy_n(uniform + offset, run, x.as<float>() + pixel * x.pitch() + channel);
                 });
    });
  });
}

}  // namespace gan
