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

// Of tiles of side x side pixels, all but the first `overlap` columns.
template <class Pixel>
void fetch_rows(const std::vector<Pixel>& pixels, size_t side, size_t overlap, int64_t channels,
                uint32_t rows, FetchAhead& ahead) {
  for (size_t row = 0; row * side < pixels.size(); ++row) {
    for (size_t x = overlap; rows >> row % side & 1 && x < side; ++x)
      ahead.add(pixels[row * side + x], channels);
  }
}

}  // namespace

void BlockPixels::list(const Tiling& tiling, const Tensor& from, const Tensor& to, int64_t begin,
                       int64_t end, const float* outside, float* outside_to) {
  const TileMicro& m = tiling.micro();
  const int64_t in_side = int64_t{m.inputs} * m.inputs, out_side = int64_t{m.outputs} * m.outputs;
  const int64_t tiles = round_up(end - begin, kGatherPixels);
  inputs.assign(tiles * in_side, outside);
  outputs.assign(tiles * out_side, outside_to);
  for (int64_t i = 0; i < end - begin; ++i) {
    tiling.inputs(from, begin + i, outside, &inputs[i * in_side]);
    tiling.outputs(to, begin + i, outside_to, &outputs[i * out_side]);
  }
}

void BlockPixels::list_next(const Tiling& tiling, const Tensor& from, int64_t begin, int64_t count,
                            const float* outside) {
  const int64_t in_side = int64_t{tiling.micro().inputs} * tiling.micro().inputs;
  const int64_t tiles = std::clamp<int64_t>(tiling.tiles() - begin, 0, count);
  inputs.resize(tiles * in_side);
  for (int64_t i = 0; i < tiles; ++i) tiling.inputs(from, begin + i, outside, &inputs[i * in_side]);
}

void BlockPixels::fetch_inputs(const Tiling& tiling, int64_t channels, uint32_t rows,
                               FetchAhead& ahead) const {
  fetch_rows(inputs, tiling.micro().inputs, tiling.overlap(), channels, rows, ahead);
}

void BlockPixels::fetch_outputs(const Tiling& tiling, int64_t channels, uint32_t rows,
                                FetchAhead& ahead) const {
  fetch_rows(outputs, tiling.micro().outputs, 0, channels, rows, ahead);
}

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
