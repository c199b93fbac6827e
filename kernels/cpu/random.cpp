// Random numbers, and dropout: y = keep ? x / (1 - p) : 0, where element i is dropped when its random
// number is below p. The numbers depend on the element's place only, so backward draws the same ones
// again and no mask is stored.
//
// Bytes moved per float: fill_uniform 4, dropout 8 (12 when accumulating). The random numbers cost
// more than the bytes, so many Philox blocks are computed side by side.
#include <algorithm>
#include <array>

#include "engine/parallel.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/simd.h"

namespace gan {
namespace {

constexpr int64_t kBatch = 32;    // Philox blocks side by side; with 16, GCC unrolls and gives up
constexpr int64_t kPiece = 4096;  // numbers drawn at once: 16 KB
static_assert(kPiece % (4 * kBatch) == 0);

struct Key {
  uint64_t seed, high;  // see RandomKey::block
};

// The blocks from `first` on, word by word: out[word][block]. The rounds are those of
// Philox::at.
GAN_INLINE void philox_batch(Key key, uint64_t first, uint32_t out[4][kBatch]) {
  uint32_t x0[kBatch], x1[kBatch], x2[kBatch], x3[kBatch];
  for (int64_t i = 0; i < kBatch; ++i) {
    const uint64_t counter = first + static_cast<uint64_t>(i);
    x0[i] = static_cast<uint32_t>(counter);
    x1[i] = static_cast<uint32_t>(counter >> 32);
    x2[i] = static_cast<uint32_t>(key.high);
    x3[i] = static_cast<uint32_t>(key.high >> 32);
  }
  uint32_t k0 = static_cast<uint32_t>(key.seed), k1 = static_cast<uint32_t>(key.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    for (int64_t i = 0; i < kBatch; ++i) {
      const uint64_t p0 = uint64_t{0xD2511F53u} * x0[i], p1 = uint64_t{0xCD9E8D57u} * x2[i];
      x0[i] = static_cast<uint32_t>(p1 >> 32) ^ x1[i] ^ k0;
      x1[i] = static_cast<uint32_t>(p1);
      x2[i] = static_cast<uint32_t>(p0 >> 32) ^ x3[i] ^ k1;
      x3[i] = static_cast<uint32_t>(p0);
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int64_t i = 0; i < kBatch; ++i) {
    out[0][i] = x0[i];
    out[1][i] = x1[i];
    out[2][i] = x2[i];
    out[3][i] = x3[i];
  }
}

// The numbers of the elements from 4*first_block on; whole batches are written.
GAN_SIMD void draw_uniform(Key key, uint64_t first_block, int64_t count, float* __restrict out) {
  alignas(64) uint32_t words[4][kBatch];
  for (int64_t done = 0; done < count; done += 4 * kBatch, out += 4 * kBatch) {
    philox_batch(key, first_block + static_cast<uint64_t>(done / 4), words);
    for (int64_t block = 0; block < kBatch; ++block)
      for (int64_t word = 0; word < 4; ++word)
        out[4 * block + word] = unit_float(words[word][block]);
  }
}

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
  const Key philox{key.seed, (*key.step << 20) | key.stream};
  parallel_ranges(shape.elements(), kPiece, [&](int64_t begin, int64_t end) {
    alignas(64) std::array<float, kPiece> uniform;
    draw_uniform(philox, static_cast<uint64_t>(begin / 4), end - begin, uniform.data());
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
