#include "kernels/cpu/conv_filter.h"

#include "kernels/cpu/simd.h"

namespace gan::cpu {
namespace {

GAN_SIMD void transform(const TileMicro& micro, const float (&taps)[9][kTile], int64_t width,
                        float* to, int64_t pitch) {
  float half[TileMicro::kMaxWeights][3][kTile];
  for (int q = 0; q < micro.weights; ++q) {
    const auto& g = micro.g[q];
    for (int t = 0; t < 3; ++t) {
      for (int64_t k = 0; k < width; ++k)
        half[q][t][k] = g[0] * taps[t][k] + g[1] * taps[3 + t][k] + g[2] * taps[6 + t][k];
    }
  }
  for (int q = 0; q < micro.weights; ++q) {
    for (int p = 0; p < micro.weights; ++p, to += pitch) {
      const auto& g = micro.g[p];
      for (int64_t k = 0; k < width; ++k)
        to[k] = g[0] * half[q][0][k] + g[1] * half[q][1][k] + g[2] * half[q][2][k];
    }
  }
}

}  // namespace

void read_taps(const Tiling& tiling, const Tensor& weights, bool out_first, int64_t in,
               int64_t count, int64_t first, int64_t width, Taps& taps) {
  const int64_t row_pitch = 9 * weights.pitch();
  const int64_t in_pitch = out_first ? 1 : row_pitch, out_pitch = out_first ? row_pitch : 1;
  for (int64_t tap = 0; tap < 9; ++tap) {
    const float* source = weights.as<float>() + in * in_pitch + first * out_pitch +
                          (tiling.backwards() ? 8 - tap : tap) * weights.pitch();
    // In the order of the source, whose lines come from far away.
    if (out_first) {
      for (int64_t k = 0; k < width; ++k)
        for (int64_t i = 0; i < count; ++i) taps[i][tap][k] = source[k * out_pitch + i];
    } else {
      for (int64_t i = 0; i < count; ++i) std::copy_n(source + i * in_pitch, width, taps[i][tap]);
    }
  }
}

void transform_taps(const Tiling& tiling, const float (&taps)[9][kTile], int64_t width, float* to,
                    int64_t pitch) {
  transform(tiling.micro(), taps, width, to, pitch);
}

}  // namespace gan::cpu
