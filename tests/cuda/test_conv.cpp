// Every convolution kernel against the reference, in the simulator.
//
// The harness rounds inputs to the factors' precision first, so that products are exact: only the
// order of the float32 sums and, for bf16, the one rounding of the result may differ. That is what
// kernels/cases/tolerances.h allows.
#include <catch2/catch.hpp>

#include "kernels/cases/backend_parity.h"
#include "kernels/cuda/sim/simulator.h"
#include "tests/cuda/conv_backend.h"

namespace gan::testing {

using namespace cases;

namespace {

using cuda::ConvChoice;
using cuda::ConvTile;
using cuda::Math;

constexpr ConvGeometry kSame = {3, 1, 1, 0}, kHalf = {3, 2, 1, 0}, kPoint = {1, 1, 0, 0},
                       kPointHalf = {1, 2, 0, 0}, kUp = {3, 2, 1, 1}, kUpOdd = {3, 2, 1, 0},
                       kWide = {5, 2, 2, 0};

// All three directions of one layer; with margins, both sides are slices that keep 16-byte packets.
void add_layer(std::vector<OpCase>& cases, bool transposed, const Shape& x, int64_t channels,
               const ConvGeometry& geometry, bool sliced = false,
               Activation act = Activation::none) {
  OpCase c;
  c.x = x;
  c.geometry = geometry;
  c.y = transposed ? conv_transpose_output(x, channels, geometry)
                   : conv_output(x, channels, geometry);
  c.bias = act != Activation::none;
  c.act = act;
  if (sliced) c.x_margin = c.y_margin = {8, 16};
  for (const Function f :
       transposed
           ? std::vector{Function::conv_transpose_forward, Function::conv_transpose_backward_data,
                         Function::conv_transpose_backward_weights}
           : std::vector{Function::conv_forward, Function::conv_backward_data,
                         Function::conv_backward_weights}) {
    c.function = f;
    c.name = str(x, "->", channels, " k", geometry.kernel, " s", geometry.stride, " ", name_of(f));
    cases.push_back(c);
  }
}

// Tails along every axis of a tile: pixels, channels out, channels in x taps.
std::vector<OpCase> packet_cases() {
  std::vector<OpCase> cases;
  add_layer(cases, false, {1, 9, 11, 24}, 40, kSame, true, Activation::relu);
  add_layer(cases, false, {3, 7, 5, 8}, 136, kHalf, true, Activation::tanh);
  add_layer(cases, false, {2, 6, 10, 72}, 24, kHalf);
  add_layer(cases, false, {1, 1, 1, 16}, 16, kSame);
  add_layer(cases, false, {1, 1, 1, 16}, 16, kHalf);
  add_layer(cases, false, {1, 7, 6, 40}, 72, kPoint);
  add_layer(cases, false, {2, 5, 6, 16}, 8, kPointHalf);
  add_layer(cases, false, {1, 7, 8, 16}, 24, kWide);
  add_layer(cases, true, {1, 3, 5, 32}, 24, kUp, true, Activation::leaky_relu);
  add_layer(cases, true, {3, 1, 1, 16}, 8, kUp);
  add_layer(cases, true, {1, 5, 4, 40}, 136, kUpOdd);
  add_layer(cases, true, {2, 4, 3, 16}, 32, kSame);
  add_layer(cases, false, {1, 5, 5, 12}, 20, kSame);  // packets of float32, not of bf16
  return cases;
}

// Pictures' three channels, on more than one region and split.
std::vector<OpCase> photo_cases() {
  std::vector<OpCase> cases;
  add_layer(cases, false, {2, 20, 18, 3}, 64, kHalf, false, Activation::leaky_relu);
  add_layer(cases, false, {1, 18, 19, 3}, 16, kSame);
  add_layer(cases, false, {1, 33, 18, 64}, 3, kSame, true, Activation::sigmoid);
  add_layer(cases, false, {1, 5, 4, 96}, 2, kSame);
  add_layer(cases, true, {1, 17, 9, 32}, 3, kUp, true, Activation::sigmoid);
  add_layer(cases, true, {3, 2, 3, 16}, 3, kUpOdd);
  return cases;
}

// The kernels for few channels: one to four of them, dense rows in packets and not, slices, tails of
// tiles and of channels, several tiles across, windows that begin at any pixel.
std::vector<OpCase> few_channel_cases() {
  std::vector<OpCase> cases;
  add_layer(cases, false, {1, 9, 16, 3}, 40, kSame, false, Activation::relu);
  add_layer(cases, false, {2, 7, 24, 1}, 8, kSame);
  add_layer(cases, false, {1, 6, 20, 2}, 72, kHalf, false, Activation::tanh);
  add_layer(cases, false, {1, 5, 18, 4}, 24, kSame);
  add_layer(cases, false, {1, 5, 6, 4}, 72, kHalf);
  add_layer(cases, false, {1, 3, 72, 3}, 32, kSame);
  add_layer(cases, false, {2, 3, 70, 3}, 64, kSame, true, Activation::leaky_relu);
  add_layer(cases, false, {1, 4, 131, 3}, 16, kHalf, true);
  add_layer(cases, false, {1, 9, 16, 3}, 20, kSame);  // stored and read back element by element
  add_layer(cases, false, {1, 7, 8, 1}, 24, kWide);
  add_layer(cases, false, {2, 4, 6, 3}, 16, kPoint);
  add_layer(cases, false, {1, 6, 7, 3}, 8, {3, 1, 0, 0});
  add_layer(cases, false, {1, 4, 5, 2}, 8, {3, 1, 2, 0});
  add_layer(cases, false, {1, 5, 6, 3}, 8, {3, 2, 0, 0});
  add_layer(cases, false, {1, 1, 1, 3}, 8, kHalf);
  // To few channels.
  add_layer(cases, false, {2, 10, 24, 64}, 3, kSame, false, Activation::sigmoid);
  add_layer(cases, false, {1, 6, 16, 32}, 2, kSame);
  add_layer(cases, false, {1, 5, 8, 24}, 4, kSame, true);
  add_layer(cases, false, {3, 4, 8, 16}, 1, kSame, false, Activation::tanh);
  add_layer(cases, false, {1, 37, 5, 40}, 3, kSame, true);
  add_layer(cases, false, {1, 3, 140, 8}, 3, kSame);  // more than a block across
  add_layer(cases, false, {1, 6, 5, 16}, 3, {3, 1, 0, 0});
  add_layer(cases, false, {1, 4, 5, 48}, 2, {3, 1, 2, 0});
  add_layer(cases, true, {1, 9, 17, 64}, 3, kUp, false, Activation::sigmoid);
  add_layer(cases, true, {2, 5, 7, 24}, 2, kUpOdd, true);
  add_layer(cases, true, {1, 3, 130, 8}, 3, kUp);
  add_layer(cases, true, {1, 4, 5, 16}, 2, {3, 2, 0, 1});
  add_layer(cases, true, {1, 4, 5, 16}, 1, {3, 2, 2, 1});
  return cases;
}

// More tiles than blocks, and so many in a split that every stage of the pipelines is used again.
std::vector<OpCase> many_picture_cases() {
  std::vector<OpCase> cases;
  add_layer(cases, false, {1700, 1, 8, 3}, 8, kSame);
  add_layer(cases, false, {1700, 2, 1, 2}, 8, kHalf, true);
  return cases;
}

std::vector<OpCase> convolutions_of(const std::vector<OpCase>& cases) {
  std::vector<OpCase> kept;
  for (const OpCase& c : cases)
    if (op_of(c.function) <= Op::conv_transpose_backward_weights) kept.push_back(c);
  return kept;
}

void check_all(const std::vector<OpCase>& cases, Precision precision,
               ConvTile tile = ConvTile::automatic) {
  const Math math = precision == Precision::tf32 ? Math::tf32 : Math::fp32;
  ConvBackend backend(ConvChoice(math, tile));
  const ParitySummary summary =
      check_backend_against_reference(backend, host_memory(), cases, precision);
  INFO(summary.text());
  CHECK(summary.failures.empty());
  CHECK(summary.unsupported == 0);
  CHECK(summary.checked == static_cast<int>(cases.size()));
}

TEST_CASE("convolutions of any shape equal the reference", "[conv]") {
  const std::vector<OpCase> cases = convolutions_of(small_cases());
  check_all(cases, Precision::bf16);
  check_all(cases, Precision::f32);
  check_all(cases, Precision::tf32);
}

TEST_CASE("every tile of bf16 convolutions equals the reference", "[conv]") {
  const ConvTile tile = GENERATE(ConvTile::m128n128, ConvTile::m128n64, ConvTile::m128n32,
                                 ConvTile::m64n64, ConvTile::w256n128, ConvTile::w128n128,
                                 ConvTile::w128n64, ConvTile::w64n64, ConvTile::w128n64deep);
  check_all(packet_cases(), Precision::bf16, tile);
}

TEST_CASE("sums that are split among blocks equal the reference", "[conv]") {
  std::vector<OpCase> cases;
  add_layer(cases, false, {1, 9, 8, 128}, 72, kSame, true, Activation::relu);
  add_layer(cases, false, {2, 7, 9, 192}, 40, kHalf);
  add_layer(cases, true, {1, 5, 4, 256}, 48, kUp, true, Activation::leaky_relu);
  check_all(cases, Precision::bf16);
  check_all(cases, Precision::f32);
  check_all(cases, Precision::tf32);
}

TEST_CASE("every tile of float32 convolutions equals the reference", "[conv]") {
  const ConvTile tile = GENERATE(ConvTile::m128n128, ConvTile::m64n64);
  check_all(packet_cases(), Precision::f32, tile);
  check_all(packet_cases(), Precision::tf32, tile);
}

TEST_CASE("convolutions that begin or end in a photo equal the reference", "[conv]") {
  check_all(photo_cases(), Precision::bf16);
  check_all(photo_cases(), Precision::f32);
}

TEST_CASE("convolutions from and to few channels equal the reference", "[conv]") {
  check_all(few_channel_cases(), Precision::bf16);
  check_all(many_picture_cases(), Precision::bf16);
  check_all(few_channel_cases(), Precision::f32);
}

TEST_CASE("convolutions do not depend on the schedule", "[conv]") {
  sim::Settings settings = sim::current_settings();
  settings.schedule = GENERATE(sim::Schedule::fifo, sim::Schedule::lifo, sim::Schedule::random,
                               sim::Schedule::priority);
  settings.seed = GENERATE(11, 12);
  CAPTURE(sim::schedule_name(settings.schedule), settings.seed);
  const sim::ScopedSettings scope(settings);
  std::vector<OpCase> cases;
  add_layer(cases, false, {1, 9, 11, 24}, 40, kSame);
  add_layer(cases, true, {1, 5, 3, 72}, 24, kUp);
  add_layer(cases, false, {1, 17, 18, 32}, 3, kSame);
  add_layer(cases, false, {2, 5, 16, 3}, 40, kHalf);
  check_all(cases, Precision::bf16);
  check_all(cases, Precision::f32);
}

TEST_CASE("convolutions refuse what they cannot do", "[conv]") {
  const auto supports = [](const ConvGeometry& g, DType type, const Shape& x, const Shape& y) {
    return cuda::conv_supports({Op::conv_forward, type, x, y, g});
  };
  const Shape x = {1, 8, 8, 16};
  CHECK(supports(kSame, DType::bf16, x, x));
  CHECK_FALSE(supports(kSame, DType::f64, x, x));
  CHECK_FALSE(supports({3, 3, 1, 0}, DType::f32, x, {1, 3, 3, 16}));
  CHECK_FALSE(supports({7, 1, 3, 0}, DType::f32, x, x));
  CHECK_FALSE(supports(kSame, DType::f32, x, {1, 8, 7, 16}));
  CHECK_FALSE(supports(kSame, DType::f32, {0, 8, 8, 16}, {0, 8, 8, 16}));
}

}  // namespace
}  // namespace gan::testing
