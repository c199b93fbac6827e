// The ways of computing a convolution that are worth measuring: what is listed, that all of it is
// right, and that the backend takes the one it is told to.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "kernels/cases/backend_parity.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/cuda_memory.h"
#include "kernels/cuda/sim/simulator.h"
#include "tests/cuda/conv_backend.h"
#include "tests/host_tensor.h"

namespace gan::testing {

using namespace cases;

namespace {

using cuda::ConvChoice;
using cuda::ConvTile;
using cuda::Math;

constexpr ConvGeometry kSame = {3, 1, 1, 0}, kUp = {3, 2, 1, 1};

OpCase case_of(Function function, const ConvGeometry& geometry, const Shape& x, int64_t channels) {
  OpCase c;
  c.function = function;
  c.geometry = geometry;
  c.x = x;
  c.y = op_of(function) >= Op::conv_transpose_forward ? conv_transpose_output(x, channels, geometry)
                                                      : conv_output(x, channels, geometry);
  c.name = str(x, "->", channels, " ", name_of(function));
  return c;
}

void check_equal(const ParityReport& report) {
  INFO(report.text);
  CHECK(report.outcome == ParityReport::Outcome::equal);
}

// How often each kernel has run so far.
std::map<std::string, uint64_t> launches() {
  std::map<std::string, uint64_t> by_name;
  for (const sim::KernelRun& run : sim::executed_kernels()) by_name[run.name] += run.launches;
  return by_name;
}
uint64_t launches_of(const std::string& tile) {
  uint64_t sum = 0;
  for (const auto& [name, times] : launches())
    if (name.find("conv_gemm<") != std::string::npos && name.find(tile) != std::string::npos)
      sum += times;
  return sum;
}

}  // namespace

TEST_CASE("the ways worth measuring begin with the automatic one, differ, and are few",
          "[smallest]") {
  CudaMemory memory;
  CudaBackend backend(memory);
  size_t several = 0;
  for (const int64_t batch : {1, 16, 64}) {
    for (const OpCase& c : network_cases(64, batch)) {
      if (op_of(c.function) > Op::conv_transpose_backward_weights) continue;
      for (const DType type : {DType::bf16, DType::f32}) {
        const Call call = call_of(c, type);
        CAPTURE(c.name, batch, name_of(type));
        const std::vector<ConvChoice> choices = cuda::conv_choices(call, Math::fp32);
        CHECK(choices.front().automatic());
        CHECK(choices.size() <= 16);
        const size_t working = backend.working_memory(call).shared;
        std::set<std::string> names;
        for (const ConvChoice& choice : choices) {
          names.insert(name_of(choice));
          CHECK(cuda::conv_scratch_bytes(call, choice) <= working);
          CHECK((choice.automatic() || choice.splits > 0));
        }
        CHECK(names.size() == choices.size());
        CHECK(names.contains("automatic"));
        if (choices.size() > 1) ++several;
      }
    }
  }
  CHECK(several > 100);
}

TEST_CASE("a layer of few pixels is tried on small tiles, deep ones, and in several splits",
          "[smallest]") {
  const auto names = [](const Call& call) {
    std::set<std::string> all;
    for (const ConvChoice& choice : cuda::conv_choices(call, Math::fp32))
      all.insert(name_of(choice));
    return all;
  };
  // enc5 for one photo: 16 tiles of 128 x 64, 36 steps.
  const Call few = {
      Op::conv_forward, DType::bf16, {1, 32, 32, 256}, {1, 16, 16, 512}, {.stride = 2}};
  CHECK(names(few) == std::set<std::string>{
                          "automatic", "w128n64deep, 2 splits", "w128n64deep, 2 in a cluster",
                          "w128n64deep, 4 splits", "w128n64deep, 4 in a cluster",
                          "w128n64deep, 8 splits", "w128n64deep, 8 in a cluster", "w64n64",
                          "w64n64, 2 splits", "w64n64, 2 in a cluster", "w64n64, 4 splits",
                          "w64n64, 4 in a cluster", "w64n64, 8 splits", "w64n64, 8 in a cluster"});
  // enc4 for a batch of 64: nothing is gained by splitting what fills the device many times over.
  const Call many = {Op::conv_forward, DType::bf16, {64, 32, 32, 128}, {64, 32, 32, 256}, kSame};
  CHECK(names(many) == std::set<std::string>{"automatic", "w128n64"});
  // Kernels for few channels have no other way.
  const Call photo = {Op::conv_forward, DType::bf16, {1, 128, 128, 3}, {1, 128, 128, 64}, kSame};
  CHECK(names(photo) == std::set<std::string>{"automatic"});
  const Call uneven = {Op::conv_forward, DType::bf16, {1, 32, 32, 60}, {1, 32, 32, 64}, kSame};
  CHECK(names(uneven) == std::set<std::string>{"automatic"});
}

TEST_CASE("sums are split where blocks can be counted for every tile", "[smallest]") {
  const ConvChoice split(Math::fp32, ConvTile::m64n64, 4);
  const auto tiles_of_one_row = [&](int64_t tiles) {
    const Shape x = {1, 1, 64 * tiles, 256}, y = {1, 1, 64 * tiles, 64};
    return cuda::conv_scratch_bytes({Op::conv_forward, DType::bf16, x, y, {1, 1, 0, 0}}, split);
  };
  CHECK(tiles_of_one_row(256) == size_t{4} * 256 * 64 * 64 * sizeof(float));
  CHECK(tiles_of_one_row(257) == 0);
}

TEST_CASE("every way listed computes the same", "[slow]") {
  const OpCase cases[] = {case_of(Function::conv_forward, kSame, {1, 32, 32, 64}, 128),
                          case_of(Function::conv_backward_weights, kSame, {1, 20, 20, 128}, 256),
                          case_of(Function::conv_transpose_forward, kUp, {1, 16, 16, 128}, 128)};
  for (const Precision precision : {Precision::bf16, Precision::f32}) {
    const DType type = precision == Precision::bf16 ? DType::bf16 : DType::f32;
    for (const OpCase& c : cases) {
      const CaseCheck check(c, precision);
      const auto choices = cuda::conv_choices(call_of(c, type), Math::fp32);
      CAPTURE(c.name, name_of(type));
      CHECK(choices.size() > (precision == Precision::bf16 ? 2 : 1));
      for (const ConvChoice& choice : choices) {
        CAPTURE(name_of(choice));
        ConvBackend backend(choice);
        check_equal(check.run(backend, host_memory()));
      }
    }
  }
}

TEST_CASE("any tile in any number of splits equals the reference", "[conv]") {
  const OpCase cases[] = {case_of(Function::conv_forward, kSame, {1, 5, 9, 72}, 72),
                          case_of(Function::conv_backward_data, {3, 2, 1, 0}, {1, 7, 9, 24}, 136),
                          // The first parity's pixels are two tiles, the others' one.
                          case_of(Function::conv_backward_data, {3, 2, 1, 0}, {1, 17, 15, 8}, 136),
                          case_of(Function::conv_backward_weights, kSame, {1, 9, 23, 16}, 72)};
  const int splits = GENERATE(1, 3, 1000);
  for (const OpCase& c : cases) {
    const CaseCheck bf16(c, Precision::bf16), f32(c, Precision::f32), tf32(c, Precision::tf32);
    for (const ConvTile tile :
         {ConvTile::automatic, ConvTile::m128n128, ConvTile::m128n64, ConvTile::m128n32,
          ConvTile::m64n64, ConvTile::w256n128, ConvTile::w128n128, ConvTile::w128n64,
          ConvTile::w64n64, ConvTile::w128n64deep}) {
      CAPTURE(name_of(ConvChoice(Math::fp32, tile, splits)), c.name);
      ConvBackend backend(ConvChoice(Math::fp32, tile, splits));
      check_equal(bf16.run(backend, host_memory()));
      if (tile != ConvTile::m128n128 && tile != ConvTile::m64n64) continue;  // all that f32 has
      check_equal(f32.run(backend, host_memory()));
      ConvBackend rounding(ConvChoice(Math::tf32, tile, splits));
      check_equal(tf32.run(rounding, host_memory()));
    }
  }
}

TEST_CASE("blocks of a split sum that are a cluster equal the reference", "[conv]") {
  const ConvGeometry half = {3, 2, 1, 0};
  const OpCase cases[] = {case_of(Function::conv_forward, kSame, {1, 5, 9, 72}, 72),
                          case_of(Function::conv_backward_data, half, {1, 7, 9, 24}, 136),
                          case_of(Function::conv_backward_data, half, {1, 17, 15, 8}, 136)};
  const int splits = GENERATE(3, 8);
  for (OpCase c : cases) {
    c.bias = c.function == Function::conv_forward;
    const CaseCheck bf16(c, Precision::bf16), f32(c, Precision::f32);
    for (const ConvTile tile : {ConvTile::m128n128, ConvTile::m64n64, ConvTile::w256n128,
                                ConvTile::w128n64, ConvTile::w64n64, ConvTile::w128n64deep}) {
      const ConvChoice choice(Math::fp32, tile, splits, true);
      CAPTURE(name_of(choice), c.name);
      ConvBackend backend(choice);
      check_equal(bf16.run(backend, host_memory()));
      if (tile == ConvTile::m128n128 || tile == ConvTile::m64n64)
        check_equal(f32.run(backend, host_memory()));
    }
  }
}

TEST_CASE("blocks that are a cluster leave the bits of those that are not", "[conv]") {
  const Shape shape = {1, 6, 7, 64};
  Arena arena(host_memory());
  const auto random = [&](const Shape& of, uint64_t seed, DType dtype) {
    const Tensor made = arena.allocate(of, dtype);
    from_host(host_memory(), made, random_tensor(of, seed).values().data());
    return made;
  };
  const Tensor x = random(shape, 1, DType::bf16), w = random({64, 3, 3, 64}, 2, DType::f32);
  const Tensor y = arena.allocate(shape, DType::bf16);
  for (const ConvTile tile : {ConvTile::m64n64, ConvTile::w64n64, ConvTile::w128n64deep}) {
    std::vector<std::vector<float>> results;
    for (const bool clusters : {false, true}) {
      ConvBackend backend(ConvChoice(Math::fp32, tile, 3, clusters));
      backend.conv_forward(kSame, x, {w}, {}, y);
      results.push_back(to_host(host_memory(), y));
    }
    CAPTURE(name_of(ConvChoice(Math::fp32, tile, 3)));
    CHECK((results[0] == results[1]));
  }
}

TEST_CASE("tiles for few pixels, whole and split, equal the reference for small layers",
          "[conv][smallest]") {
  const CaseCheck check(case_of(Function::conv_forward, kSame, {1, 2, 2, 96}, 8), Precision::bf16);
  for (const ConvTile tile : {ConvTile::w64n64, ConvTile::w128n64deep}) {
    for (const int splits : {1, 3}) {
      for (const bool clusters : {false, true}) {
        ConvBackend backend(ConvChoice(Math::fp32, tile, splits, clusters));
        check_equal(check.run(backend, host_memory()));
      }
    }
  }
}

TEST_CASE("the backend takes the variant it is told to, for that call alone") {
  CudaMemory memory;
  CudaBackend backend(memory);
  OpCase c = case_of(Function::conv_forward, kSame, {1, 32, 32, 64}, 128);
  const Call call = call_of(c, DType::bf16);
  const std::vector<std::string> variants = backend.variants(call);
  const auto deep = std::find(variants.begin(), variants.end(), "w128n64deep, 2 splits");
  REQUIRE(deep != variants.end());
  const std::string tile = "Tile<128, 64, 64, 8, 8, 1, 1>";
  const CaseCheck check(c, Precision::bf16);

  const uint64_t before = launches_of(tile);
  backend.take_variant(call, static_cast<size_t>(deep - variants.begin()));
  check_equal(check.run(backend, memory));
  const uint64_t taken = launches_of(tile);
  CHECK(taken > before);

  c.bias = true;  // another call
  check_equal(CaseCheck(c, Precision::bf16).run(backend, memory));
  CHECK(launches_of(tile) == taken);

  backend.take_variant(call, 0);
  check_equal(check.run(backend, memory));
  CHECK(launches_of(tile) == taken);
  CHECK_THROWS_AS(backend.take_variant(call, variants.size()), InternalError);

  const Call other = {Op::batch_norm, DType::f32, {1, 4, 4, 8}, {1, 4, 4, 8}, {}};
  CHECK(backend.variants(other).size() == 1);
}

TEST_CASE("all six convolutions take their variants", "[slow]") {
  CudaMemory memory;
  CudaBackend backend(memory);
  const Shape wide = {1, 32, 32, 128}, narrow = {1, 16, 16, 256};
  const OpCase cases[] = {case_of(Function::conv_forward, kSame, wide, 128),
                          case_of(Function::conv_backward_data, kSame, wide, 128),
                          case_of(Function::conv_backward_weights, {1, 1, 0, 0}, wide, 256),
                          case_of(Function::conv_transpose_forward, kUp, narrow, 128),
                          case_of(Function::conv_transpose_backward_data, kUp, narrow, 128),
                          case_of(Function::conv_transpose_backward_weights, kUp, narrow, 128)};
  for (const OpCase& c : cases) {
    CAPTURE(c.name);
    const CaseCheck check(c, Precision::bf16);
    const size_t last = backend.variants(call_of(c, DType::bf16)).size() - 1;
    REQUIRE(last > 0);
    const auto kernels_of = [&](size_t variant) {
      Call call = call_of(c, DType::bf16);  // the check computes data gradients both ways
      call.adds = call.op == Op::conv_backward_data || call.op == Op::conv_transpose_backward_data;
      backend.take_variant(call, variant);
      const std::map<std::string, uint64_t> before = launches();
      check_equal(check.run(backend, memory));
      std::set<std::string> run;
      for (const auto& [name, times] : launches())
        if (!before.contains(name) || before.at(name) != times) run.insert(name);
      return run;
    };
    CHECK(kernels_of(last) != kernels_of(0));
  }
}

}  // namespace gan::testing
