// What the CPU's convolutions, batch norm and dropout are built from.
#include <algorithm>
#include <array>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/random.h"
#include "kernels/cpu/bilinear.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/fetch_ahead.h"
#include "kernels/cpu/tile_micro.h"
#include "kernels/cpu/uniform.h"

using namespace gan;

namespace {

// A ((B x) * (G w)) in double, of numbers that make no two terms alike.
template <class Tile>
std::vector<double> filtered(const Tile& tile, const std::vector<double>& x,
                             const std::vector<double>& w) {
  std::vector<double> transformed_w(tile.g.size()), y(tile.a.size());
  for (size_t q = 0; q < tile.g.size(); ++q)
    for (size_t t = 0; t < w.size(); ++t) transformed_w[q] += tile.g[q][t] * w[t];
  for (size_t p = 0; p < tile.b.size(); ++p) {
    double sum = 0;
    for (size_t i = 0; i < x.size(); ++i) sum += tile.b[p][i] * x[i];
    for (size_t m = 0; m < y.size(); ++m)
      y[m] += tile.a[m][p] * sum * transformed_w[tile.weight_of[p]];
  }
  return y;
}

std::vector<double> some_inputs(size_t count) {
  std::vector<double> x(count);
  for (size_t i = 0; i < count; ++i) x[i] = std::sin(1.0 + 2.3 * static_cast<double>(i));
  return x;
}

const std::vector<double> kWeights = {0.7, -1.1, 0.4};

// The weights' matrices hold thirds and ninths, rounded to float.
constexpr double kRounding = 1e-6;

template <class Tile>
void check_stride(const Tile& tile, int stride) {
  const std::vector<double> x = some_inputs(Tile::inputs), y = filtered(tile, x, kWeights);
  REQUIRE(y.size() == Tile::outputs);
  for (size_t i = 0; i < y.size(); ++i) {
    double sum = 0;
    for (size_t t = 0; t < 3; ++t) sum += kWeights[t] * x[stride * i + t];
    CHECK(y[i] == Approx(sum).margin(kRounding));
  }
}

template <class Tile>
void check_transposed(const Tile& tile) {
  const std::vector<double> x = some_inputs(Tile::inputs), y = filtered(tile, x, kWeights);
  REQUIRE(y.size() == Tile::outputs);
  for (size_t i = 0; i < y.size() / 2; ++i) {
    CHECK(y[2 * i] == Approx(kWeights[1] * x[i]).margin(kRounding));
    CHECK(y[2 * i + 1] == Approx(kWeights[2] * x[i] + kWeights[0] * x[i + 1]).margin(kRounding));
  }
}

}  // namespace

TEST_CASE("minimal filtering gives what a convolution's definition gives") {
  check_stride(cpu::kSame2, 1);
  check_stride(cpu::kSame3, 1);
  check_stride(cpu::kSame4, 1);
  check_stride(cpu::kDown2, 2);
  check_stride(cpu::kDown3, 2);
  check_stride(cpu::kDown4, 2);
  check_transposed(cpu::kUp2);
  check_transposed(cpu::kUp3);
  check_transposed(cpu::kUp4);
}

TEST_CASE("every row of a tile is fetched once, before it is read") {
  for (int i = 0; i <= static_cast<int>(cpu::TileAlgorithm::up4); ++i) {
    const cpu::TileMicro* micro = cpu::tile_micro(static_cast<cpu::TileAlgorithm>(i));
    if (!micro) return;  // a compiler without vector types
    uint32_t inputs = 0, outputs = 0;
    for (int p = 0; p < micro->products; ++p) {
      CHECK((inputs & micro->new_inputs[p]) == 0);
      CHECK((outputs & micro->new_outputs[p]) == 0);
      inputs |= micro->new_inputs[p];
      outputs |= micro->new_outputs[p];
    }
    CHECK(inputs == (1u << micro->inputs) - 1);
    CHECK(outputs == (1u << micro->outputs) - 1);
  }
}

TEST_CASE("what is fetched ahead is spread evenly, and no more than there is") {
  const std::vector<float> numbers(1000);
  constexpr int64_t kLines = 63 + 1;  // 1000 numbers, and one
  cpu::FetchAhead ahead;
  CHECK(ahead.turn() == 0);
  for (const int64_t turns : {1, 7, 5000}) {
    ahead.restart(turns);
    ahead.add(numbers.data(), 1000);
    ahead.add(numbers.data() + 5, 1);
    int64_t sum = 0;
    for (int64_t turn = 0; turn < turns; ++turn) {
      const int64_t lines = ahead.turn();
      CHECK(lines >= kLines / turns);
      CHECK(lines <= (kLines + turns - 1) / turns);
      sum += lines;
    }
    CHECK(sum == kLines);
    CHECK(ahead.turn() == 0);
  }
}

TEST_CASE("random numbers side by side are those of Philox, in order") {
  constexpr uint64_t kSeed = 0x0123456789abcdef, kHigh = 0xfedcba9876543210;
  // The counter's lower word overflows in the middle of a batch.
  for (const uint64_t first : {uint64_t{0}, uint64_t{0xfffffff3}}) {
    for (const int64_t count : {int64_t{1}, int64_t{128}, int64_t{700}}) {
      const int64_t batches = (count + cpu::kUniformBatch - 1) / cpu::kUniformBatch;
      std::vector<float> drawn(batches * cpu::kUniformBatch + 1, -1.0f);
      cpu::draw_uniform(kSeed, kHigh, first, count, drawn.data());
      CHECK(drawn.back() == -1.0f);
      for (int64_t i = 0; i < count; ++i) {
        const Philox::Block block = Philox::at(kSeed, kHigh, first + static_cast<uint64_t>(i / 4));
        REQUIRE(drawn[i] == unit_float(block[i % 4]));
      }
    }
  }
}

TEST_CASE("batch norm's statistics hold where a few pixels are unlike all others") {
  // The shift of a chunk's sums is then far from all others, in units of their deviation.
  constexpr int64_t kSide = 40, kChannels = 16;
  const Shape shape = {1, kSide, kSide, kChannels};
  std::vector<float> values(shape.elements());
  Random random(5);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(random.normal()) + (i < 8 * kChannels ? 1000.0f : 3.0f);

  std::vector<float> x = values, y(values.size());
  std::vector<float> gamma(kChannels, 1.0f), beta(kChannels), running_mean(kChannels),
      running_var(kChannels, 1.0f), mean(kChannels), inv_std(kChannels);
  const auto vector = [](std::vector<float>& v) {
    return Tensor(v.data(), {1, 1, 1, static_cast<int64_t>(v.size())}, DType::f32);
  };
  BatchNorm norm;
  norm.gamma = vector(gamma);
  norm.beta = vector(beta);
  norm.running_mean = vector(running_mean);
  norm.running_var = vector(running_var);
  CpuBackend().batch_norm_train(Tensor(x.data(), shape, DType::f32), norm, Activation::none, {},
                                {vector(mean), vector(inv_std)},
                                Tensor(y.data(), shape, DType::f32));
  for (int64_t c = 0; c < kChannels; ++c) {
    double sum = 0, squares = 0;
    const double pixels = kSide * kSide;
    for (int64_t i = 0; i < kSide * kSide; ++i) sum += values[i * kChannels + c];
    for (int64_t i = 0; i < kSide * kSide; ++i)
      squares += std::pow(values[i * kChannels + c] - sum / pixels, 2);
    const double deviation = std::sqrt(squares / pixels + norm.eps);
    CHECK(mean[c] == Approx(sum / pixels).margin(2e-6 * deviation));
    CHECK(inv_std[c] == Approx(1 / deviation).epsilon(2e-6));
  }
}

TEST_CASE("tanh and the logistic function are right to the last digits, wherever they are asked",
          "[cpu][kernels]") {
  // Every exponent, 50 numbers within each, and what is no ordinary number; an odd count, for the loops'
  // last turns.
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> x = {0.0f, infinity, -infinity, nan};
  for (uint32_t bits = 0x00800000; bits < 0x42a80000; bits += 0x28f5c)
    for (const float sign : {1.0f, -1.0f}) x.push_back(sign * std::bit_cast<float>(bits));
  if (x.size() % 2 == 0) x.push_back(1.0f);

  CpuBackend backend;
  const auto activated = [&](Activation act, std::vector<float> numbers) {
    const Tensor tensor(numbers.data(), vector_shape(static_cast<int64_t>(numbers.size())),
                        DType::f32);
    backend.activation_forward(act, tensor, tensor);
    return numbers;
  };
  const std::vector<float> tanh_x = activated(Activation::tanh, x);
  const std::vector<float> sigmoid_x = activated(Activation::sigmoid, x);
  CHECK(tanh_x[0] == 0.0f);
  CHECK(tanh_x[1] == 1.0f);
  CHECK(tanh_x[2] == -1.0f);
  CHECK(std::isnan(tanh_x[3]));
  CHECK(sigmoid_x[0] == 0.5f);
  CHECK(sigmoid_x[1] == 1.0f);
  CHECK((sigmoid_x[2] >= 0 && sigmoid_x[2] < 1e-37f));
  CHECK(std::isnan(sigmoid_x[3]));

  double tanh_off = 0, sigmoid_off = 0;
  int cut_otherwise = 0;
  for (size_t i = 4; i < x.size(); ++i) {
    tanh_off = std::max(tanh_off, std::abs(tanh_x[i] / std::tanh(double{x[i]}) - 1));
    sigmoid_off = std::max(sigmoid_off, std::abs(sigmoid_x[i] * (1 + std::exp(-double{x[i]})) - 1));
    cut_otherwise += activated(Activation::tanh, {x[i]})[0] != tanh_x[i];
    cut_otherwise += activated(Activation::sigmoid, {x[i]})[0] != sigmoid_x[i];
  }
  CHECK(tanh_off < 3e-7);
  CHECK(sigmoid_off < 3e-7);
  CHECK(cut_otherwise == 0);  // the same bytes, however a tensor is cut
}
