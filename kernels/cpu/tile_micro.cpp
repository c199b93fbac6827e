// The matrices hold many 0, 1 and -1 and are known to the compiler, so that a transform is the
// additions and multiplications it needs and nothing else.
#include "kernels/cpu/tile_micro.h"

#include <algorithm>
#include <utility>

#include "kernels/cpu/bilinear.h"
#include "kernels/cpu/instruction_set.h"
#include "kernels/cpu/stream.h"
#include "kernels/cpu/vectors.h"

#if defined(GAN_VECTORS)

namespace gan::cpu {
namespace {

// The elements of a matrix row that are not zero, one that is just added first if there is one.
template <size_t N>
struct Terms {
  size_t count = 0;
  std::array<int, N> place{};
  std::array<float, N> factor{};
};
template <size_t N>
constexpr Terms<N> terms_of(const std::array<float, N>& row) {
  Terms<N> terms;
  for (const bool one : {true, false}) {
    for (size_t i = 0; i < N; ++i) {
      if (row[i] == 0 || (row[i] == 1) != one) continue;
      terms.place[terms.count] = static_cast<int>(i);
      terms.factor[terms.count++] = row[i];
    }
  }
  return terms;
}

template <size_t Rows, size_t Cols>
constexpr auto mirrored(const std::array<std::array<float, Cols>, Rows>& matrix) {
  std::array<std::array<float, Rows>, Cols> result{};
  for (size_t r = 0; r < Rows; ++r)
    for (size_t c = 0; c < Cols; ++c) result[c][r] = matrix[r][c];
  return result;
}
template <const auto& kTile>
constexpr auto kB = kTile.b;
template <const auto& kTile>
constexpr auto kA = kTile.a;
template <const auto& kTile>
constexpr auto kAMirrored = mirrored(kTile.a);
template <const auto& kTile>
constexpr auto kGMirrored = mirrored(kTile.g);

// body(0), body(1), ... with numbers known to the compiler.
template <size_t count, class Body>
GAN_INLINE void unrolled(Body&& body) {
  [&]<size_t... i>(std::index_sequence<i...>) GAN_INLINE_LAMBDA {
    (body(std::integral_constant<size_t, i>{}), ...);
  }
  (std::make_index_sequence<count>{});
}

// sum = row `row` of the matrix times the values that get(place, value) yields.
template <const auto& kMatrix, size_t row, class Vector, class Get>
GAN_INLINE void sum_of(Get&& get, Vector& sum) {
  constexpr auto kTerms = terms_of(kMatrix[row]);
  static_assert(kTerms.count > 0);
  get(kTerms.place[0], sum);
  if constexpr (kTerms.factor[0] != 1) sum *= kTerms.factor[0];
  unrolled<kTerms.count - 1>([&](auto i) GAN_INLINE_LAMBDA {
    constexpr float kFactor = kTerms.factor[i + 1];
    Vector value;
    get(kTerms.place[i + 1], value);
    if constexpr (kFactor == 1) {
      sum += value;
    } else if constexpr (kFactor == -1) {
      sum -= value;
    } else {
      sum += kFactor * value;
    }
  });
}

template <class V, const auto& kMatrix, size_t row>
GAN_INLINE void transform_row(const TileRow& r) {
  using Vector = typename V::Vector;
  constexpr size_t kProducts = kMatrix.size(), kSide = kMatrix[0].size();
  constexpr int64_t kLanes = sizeof(Vector) / sizeof(float);
  // Copies, which stores cannot change.
  const int64_t tiles = r.tiles, channels = r.channels, next = r.product_step;
  const int64_t group = r.group, group_step = r.group_step;
  float* const all_to = r.to;
  const float* const* pixels = r.pixels;
  for (int64_t tile = 0; tile < tiles; ++tile, pixels += kSide * kSide) {
    float* to = all_to + tile * group;
    for (int64_t begin = 0; begin < channels; begin += group, to += group_step) {
      const int64_t width = std::min(group, channels - begin);
      for (int64_t c = 0; c < width; c += kLanes) {
        Vector column[kSide];
        unrolled<kSide>([&](auto x) GAN_INLINE_LAMBDA {
          sum_of<kMatrix, row>(
              [&](int y, Vector& value) GAN_INLINE_LAMBDA {
                load(pixels[y * static_cast<int>(kSide) + x] + begin + c, value);
              },
              column[x]);
        });
        unrolled<kProducts>([&](auto p) GAN_INLINE_LAMBDA {
          Vector sum;
          sum_of<kMatrix, p>([&](int x, Vector& value) GAN_INLINE_LAMBDA { value = column[x]; },
                             sum);
          store(sum, to + p * next + c);
        });
      }
    }
  }
}

template <class V, const auto& kMatrix>
GAN_INLINE void sum_products(const TileResult& r) {
  using Vector = typename V::Vector;
  constexpr size_t kSide = kMatrix.size(), kProducts = kMatrix[0].size();
  constexpr int64_t kLanes = sizeof(Vector) / sizeof(float);
  // Copies, which stores cannot change.
  const int64_t next = r.product_step, tiles = r.tiles, channels = r.channels;
  const bool accumulate = r.accumulate, streams = r.streams, relu = r.relu;
  const float *products = r.products, *const bias = r.bias;
  float* const* pixels = r.pixels;
  for (int64_t tile = 0; tile < tiles; ++tile, pixels += kSide * kSide, products += channels) {
    // A row of pixels at a time, so that what is written lies side by side.
    unrolled<kSide>([&](auto y) GAN_INLINE_LAMBDA {
      for (int64_t c = 0; c < channels; c += kLanes) {
        Vector shift = {};
        if (bias) load(bias + c, shift);
        Vector row[kProducts];
        unrolled<kProducts>([&](auto q) GAN_INLINE_LAMBDA {
          sum_of<kMatrix, y>(
              [&](int p, Vector& value) GAN_INLINE_LAMBDA {
                load(products + (p * static_cast<int64_t>(kProducts) + q) * next + c, value);
              },
              row[q]);
        });
        unrolled<kSide>([&](auto x) GAN_INLINE_LAMBDA {
          Vector sum;
          sum_of<kMatrix, x>([&](int q, Vector& value) GAN_INLINE_LAMBDA { value = row[q]; }, sum);
          float* to = pixels[y * kSide + x] + c;
          if (accumulate) {
            Vector old;
            load(to, old);
            sum += old;
          }
          if (bias) sum += shift;
          if (relu) sum = sum > 0 ? sum : Vector{};
          if (streams) {
            stream(sum, to);
          } else {
            store(sum, to);
          }
        });
      }
    });
  }
}

template <class V, const auto& kMatrix>
GAN_INLINE void sum_gradient(const TileGradient& g) {
  using Vector = typename V::Vector;
  constexpr size_t kTaps = kMatrix.size(), kWeights = kMatrix[0].size();
  constexpr int64_t kLanes = sizeof(Vector) / sizeof(float);
  // Copies, which stores cannot change.
  const float* const all_sums = g.sums;
  float* const all_to = g.to;
  const int64_t pitch = g.pitch, channels = g.channels, to_pitch = g.to_pitch;
  const bool accumulate = g.accumulate;
  for (int64_t c = 0; c < channels; c += kLanes) {
    Vector rows[kWeights][kTaps];
    unrolled<kWeights>([&](auto p) GAN_INLINE_LAMBDA {
      const float* sums = all_sums + p * kWeights * pitch + c;
      Vector row[kWeights];
      unrolled<kWeights>([&](auto q) GAN_INLINE_LAMBDA { load(sums + q * pitch, row[q]); });
      unrolled<kTaps>([&](auto t) GAN_INLINE_LAMBDA {
        sum_of<kMatrix, t>([&](int q, Vector& value) GAN_INLINE_LAMBDA { value = row[q]; },
                           rows[p][t]);
      });
    });
    unrolled<kTaps>([&](auto r) GAN_INLINE_LAMBDA {
      unrolled<kTaps>([&](auto t) GAN_INLINE_LAMBDA {
        Vector sum;
        sum_of<kMatrix, r>([&](int p, Vector& value) GAN_INLINE_LAMBDA { value = rows[p][t]; },
                           sum);
        float* to = all_to + (r * kTaps + t) * to_pitch + c;
        if (accumulate) {
          Vector old;
          load(to, old);
          sum += old;
        }
        store(sum, to);
      });
    });
  }
}

// As transform_row; Rounding stores the vectors as bfloat16.
template <class Rounding, const auto& kMatrix, size_t row>
GAN_INLINE void rounded_row(const RoundedTileRow& r) {
  using Vector = typename Rounding::Vector;
  constexpr size_t kProducts = kMatrix.size(), kSide = kMatrix[0].size();
  constexpr int64_t kLanes = sizeof(Vector) / sizeof(float);
  const int64_t next = r.tiles * r.channels;
  bf16* to = r.to;
  const float* const* pixels = r.pixels;
  for (int64_t tile = 0; tile < r.tiles; ++tile, pixels += kSide * kSide, to += r.channels) {
    for (int64_t c = 0; c < r.channels; c += kLanes) {
      Vector column[kSide];
      unrolled<kSide>([&](auto x) GAN_INLINE_LAMBDA {
        sum_of<kMatrix, row>(
            [&](int y, Vector& value)
                GAN_INLINE_LAMBDA { load(pixels[y * static_cast<int>(kSide) + x] + c, value); },
            column[x]);
      });
      unrolled<kProducts>([&](auto p) GAN_INLINE_LAMBDA {
        Vector sum;
        sum_of<kMatrix, p>([&](int x, Vector& value) GAN_INLINE_LAMBDA { value = column[x]; }, sum);
        Rounding::put(sum, to + p * next + c);
      });
    }
  }
}

template <class V>
struct RoundingAnywhere {
  using Vector = typename V::Vector;
  static GAN_INLINE void put(const Vector& value, bf16* to) {
    for (size_t i = 0; i < sizeof value / sizeof(float); ++i) to[i] = bf16(value[i]);
  }
};

struct Baseline {
  template <const auto& kMatrix, size_t row>
  static void transform(const TileRow& r) {
    transform_row<Narrow, kMatrix, row>(r);
  }
  template <const auto& kMatrix, size_t row>
  static void rounded(const RoundedTileRow& r) {
    rounded_row<RoundingAnywhere<Narrow>, kMatrix, row>(r);
  }
  template <const auto& kMatrix>
  static void result(const TileResult& r) {
    sum_products<Narrow, kMatrix>(r);
  }
  template <const auto& kMatrix>
  static void weights_gradient(const TileGradient& g) {
    sum_gradient<Narrow, kMatrix>(g);
  }
};

#if defined(__x86_64__)
struct Avx2 {
  template <const auto& kMatrix, size_t row>
  __attribute__((target("avx2,fma"))) static void transform(const TileRow& r) {
    transform_row<Medium, kMatrix, row>(r);
  }
  template <const auto& kMatrix, size_t row>
  __attribute__((target("avx2,fma"))) static void rounded(const RoundedTileRow& r) {
    rounded_row<RoundingAnywhere<Medium>, kMatrix, row>(r);
  }
  template <const auto& kMatrix>
  __attribute__((target("avx2,fma"))) static void result(const TileResult& r) {
    sum_products<Medium, kMatrix>(r);
  }
  template <const auto& kMatrix>
  __attribute__((target("avx2,fma"))) static void weights_gradient(const TileGradient& g) {
    sum_gradient<Medium, kMatrix>(g);
  }
};
struct Avx512 {
  template <const auto& kMatrix, size_t row>
  __attribute__((target("avx512f"))) static void transform(const TileRow& r) {
    transform_row<Wide, kMatrix, row>(r);
  }
  template <const auto& kMatrix, size_t row>
  __attribute__((target("avx512f"))) static void rounded(const RoundedTileRow& r) {
    rounded_row<RoundingAnywhere<Wide>, kMatrix, row>(r);
  }
  template <const auto& kMatrix>
  __attribute__((target("avx512f"))) static void result(const TileResult& r) {
    sum_products<Wide, kMatrix>(r);
  }
  template <const auto& kMatrix>
  __attribute__((target("avx512f"))) static void weights_gradient(const TileGradient& g) {
    sum_gradient<Wide, kMatrix>(g);
  }
};
#endif

// Clang refuses the instruction's registers in a function that is not for its processors.
#if defined(__x86_64__) && !defined(__clang__)
#define GAN_ROUNDING_INSTRUCTION 1

// One instruction, to which the smallest numbers (below 2^-126) are zeros.
struct RoundingAvx512 {
  using Vector = Wide::Vector;
  typedef uint16_t Halves __attribute__((vector_size(32)));
  static GAN_INLINE void put(const Vector& value, bf16* to) {
    Halves halves;
    asm("vcvtneps2bf16 %1, %0" : "=v"(halves) : "v"(value));
    std::memcpy(&to->bits, &halves, sizeof halves);
  }
};
struct Avx512Bf16 : Avx512 {
  template <const auto& kMatrix, size_t row>
  __attribute__((target("avx512f,avx512bf16"))) static void rounded(const RoundedTileRow& r) {
    rounded_row<RoundingAvx512, kMatrix, row>(r);
  }
};
#endif

template <class Set, const auto& kMatrix>
constexpr std::array<TileMicro::Row, TileMicro::kMaxProducts> rows_of() {
  return []<size_t... row>(std::index_sequence<row...>) {
    return std::array<TileMicro::Row, TileMicro::kMaxProducts>{
        Set::template transform<kMatrix, row>...};
  }
  (std::make_index_sequence<kMatrix.size()>{});
}

// Bit y of number p: column y of the matrix's row p holds something, and of no row before it.
template <size_t Rows, size_t Cols>
constexpr auto new_columns(const std::array<std::array<float, Cols>, Rows>& matrix) {
  std::array<uint32_t, TileMicro::kMaxProducts> columns{};
  uint32_t before = 0;
  for (size_t p = 0; p < Rows; ++p) {
    for (size_t y = 0; y < Cols; ++y) columns[p] |= matrix[p][y] != 0 ? ~before & (1u << y) : 0;
    before |= columns[p];
  }
  return columns;
}

template <class Set, const auto& kTile>
constexpr TileMicro micro_of() {
  TileMicro micro;
  micro.inputs = kTile.inputs;
  micro.outputs = kTile.outputs;
  micro.products = kTile.products;
  micro.weights = kTile.weights;
  for (size_t q = 0; q < kTile.g.size(); ++q) micro.g[q] = kTile.g[q];
  for (size_t p = 0; p < kTile.weight_of.size(); ++p) micro.weight_of[p] = kTile.weight_of[p];
  micro.new_inputs = new_columns(kTile.b);
  micro.new_outputs = new_columns(mirrored(kTile.a));
  micro.rounded = []<size_t... row>(std::index_sequence<row...>) {
    return decltype(micro.rounded){Set::template rounded<kB<kTile>, row>...};
  }
  (std::make_index_sequence<kTile.b.size()>{});
  micro.input = rows_of<Set, kB<kTile>>();
  micro.gradient = rows_of<Set, kAMirrored<kTile>>();
  micro.result = Set::template result<kA<kTile>>;
  micro.weights_gradient = Set::template weights_gradient<kGMirrored<kTile>>;
  return micro;
}

// In the order of TileAlgorithm.
template <class Set>
constexpr TileMicro kMicros[] = {
    micro_of<Set, kSame2>(), micro_of<Set, kSame3>(), micro_of<Set, kSame4>(),
    micro_of<Set, kDown2>(), micro_of<Set, kDown3>(), micro_of<Set, kDown4>(),
    micro_of<Set, kUp2>(),   micro_of<Set, kUp3>(),   micro_of<Set, kUp4>()};

}  // namespace

const TileMicro* tile_micro(TileAlgorithm algorithm) {
  const auto index = static_cast<size_t>(algorithm);
#if defined(GAN_ROUNDING_INSTRUCTION)
  if (instruction_set() == InstructionSet::avx512_bf16) return &kMicros<Avx512Bf16>[index];
#endif
#if defined(__x86_64__)
  if (instruction_set() >= InstructionSet::avx512) return &kMicros<Avx512>[index];
  if (instruction_set() == InstructionSet::avx2) return &kMicros<Avx2>[index];
#endif
  return &kMicros<Baseline>[index];
}

}  // namespace gan::cpu

#else

namespace gan::cpu {
const TileMicro* tile_micro(TileAlgorithm) {
  return nullptr;
}
}  // namespace gan::cpu

#endif
