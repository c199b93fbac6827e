// Tensors, arenas, the tape, number formats, random numbers and threads.
#include <atomic>
#include <bit>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "engine/arena.h"
#include "engine/autograd.h"
#include "engine/parallel.h"
#include "engine/random.h"

using namespace gan;

namespace {

// 0, 1, 2, ... in memory of its own.
struct Counted {
  explicit Counted(Shape shape)
      : values(static_cast<size_t>(shape.elements())), tensor(values.data(), shape, DType::f32) {
    std::iota(values.begin(), values.end(), 0.0f);
  }
  std::vector<float> values;
  Tensor tensor;
};

// The host's memory, counting what is taken from it.
class CountingMemory final : public Memory {
 public:
  DeviceKind device() const override { return DeviceKind::cpu; }
  void* allocate(size_t bytes) override {
    ++allocations;
    return host_memory().allocate(bytes);
  }
  void release(void* block) noexcept override { host_memory().release(block); }
  void fill_zero(void* block, size_t bytes) override { host_memory().fill_zero(block, bytes); }
  void copy_from_host(void* to, const void* from, size_t bytes) override {
    host_memory().copy_from_host(to, from, bytes);
  }
  void copy_to_host(void* to, const void* from, size_t bytes) override {
    host_memory().copy_to_host(to, from, bytes);
  }
  int allocations = 0;
};

// y = factor * x on one-element variables, as an operation with a backward pass would record it.
Variable& scale(Tape& tape, Variable& x, float factor, std::vector<float>* order = nullptr) {
  const Tensor y = tape.allocate(x.value.shape(), DType::f32);
  *y.as<float>() = factor * *x.value.as<float>();
  Variable& result = tape.variable(y, x.needs_grad);
  tape.record(result, [&tape, &x, &result, factor, order] {
    if (order) order->push_back(factor);
    const auto [dx, write] = tape.grad_target(x);
    const float slope = factor * *result.grad.as<float>();
    *dx.as<float>() = write == Write::accumulate ? *dx.as<float>() + slope : slope;
  });
  return result;
}

// Starts the backward pass from `output` with gradient 1.
void start_from(Tape& tape, Variable& output) {
  *tape.grad_target(output).grad.as<float>() = 1;
}

float round_to_bf16(float value) {
  return static_cast<float>(bf16(value));
}

}  // namespace

TEST_CASE("a channel slice sees the chosen channels of the same pixels") {
  Counted whole({2, 3, 2, 5});
  const Tensor slice = whole.tensor.channels(1, 2);
  CHECK(slice.shape() == Shape{2, 3, 2, 2});
  CHECK(slice.pitch() == 5);
  CHECK_FALSE(slice.dense());
  const auto values = to_host(host_memory(), slice);
  REQUIRE(values.size() == 24);
  CHECK(values[0] == 1);    // pixel 0, channel 1
  CHECK(values[1] == 2);    // pixel 0, channel 2
  CHECK(values[2] == 6);    // pixel 1, channel 1
  CHECK(values[23] == 57);  // pixel 11, channel 2
}

TEST_CASE("slices of slices and pictures of slices stay in place") {
  Counted whole({3, 2, 2, 6});
  const Tensor inner = whole.tensor.channels(1, 4).channels(2, 1);
  CHECK(inner.as<float>() == whole.values.data() + 3);
  const Tensor second = inner.pictures(1, 2);
  CHECK(second.shape() == Shape{2, 2, 2, 1});
  CHECK(*second.as<float>() == 27);  // pixel 4, channel 3
}

TEST_CASE("writing a slice leaves the channels beside it alone") {
  Counted whole({1, 1, 3, 4});
  const std::vector<float> mine = {-1, -2, -3, -4, -5, -6};
  from_host(host_memory(), whole.tensor.channels(1, 2), mine.data());
  CHECK(whole.values == std::vector<float>{0, -1, -2, 3, 4, -3, -4, 7, 8, -5, -6, 11});
}

TEST_CASE("a tensor refuses what does not fit it") {
  Counted whole({1, 2, 2, 4});
  CHECK_THROWS_AS(whole.tensor.channels(2, 3), InternalError);
  CHECK_THROWS_AS(whole.tensor.channels(-1, 1), InternalError);
  CHECK_THROWS_AS(whole.tensor.pictures(0, 2), InternalError);
  CHECK_THROWS_AS(whole.tensor.as<double>(), InternalError);
  CHECK_THROWS_AS(whole.tensor.reshaped({1, 1, 1, 15}), InternalError);
  CHECK_THROWS_AS(whole.tensor.channels(0, 2).reshaped({1, 1, 1, 8}), InternalError);
  CHECK(whole.tensor.reshaped({1, 1, 1, 16}).shape() == vector_shape(16));
}

TEST_CASE("copying to and from the host converts the element type") {
  Buffer memory(host_memory(), 64);
  const std::vector<double> values = {0.1, -2.5, 3};
  const Tensor half(memory.data(), vector_shape(3), DType::bf16);
  from_host(host_memory(), half, values.data());
  CHECK(to_host(host_memory(), half) == std::vector<float>{0.10009765625f, -2.5f, 3});
  const Tensor exact(memory.data(), vector_shape(3), DType::f64);
  from_host(host_memory(), exact, values.data());
  CHECK(to_host_f64(host_memory(), exact) == values);
}

TEST_CASE("an arena finds every tensor at the same address after its first reset") {
  CountingMemory memory;
  Arena arena(memory);
  const auto step = [&] {
    std::vector<void*> addresses;
    for (int i = 1; i <= 8; ++i)
      addresses.push_back(arena.allocate({i, 64, 64, 16}, DType::f32).data());
    return addresses;
  };
  step();
  CHECK(memory.allocations > 1);
  const size_t peak = arena.peak_bytes();
  CHECK(peak >= size_t{36} * 64 * 64 * 16 * 4);
  arena.reset();
  const auto second = step();
  const int allocations = memory.allocations;
  arena.reset();
  CHECK(step() == second);
  CHECK(memory.allocations == allocations);
  CHECK(arena.peak_bytes() == peak);
}

TEST_CASE("an arena's tensors are aligned and do not overlap") {
  Arena arena(host_memory());
  const Tensor a = arena.allocate({1, 1, 1, 65}, DType::f32);
  const Tensor b = arena.allocate({1, 1, 1, 1}, DType::u8);
  const Tensor c = arena.allocate({1, 1, 1, 0}, DType::f32);
  const Tensor d = arena.allocate({1, 1, 1, 1}, DType::f64);
  const auto address = [](const Tensor& t) { return reinterpret_cast<uintptr_t>(t.data()); };
  for (const Tensor& t : {a, b, c, d}) CHECK(address(t) % 256 == 0);
  CHECK(address(b) >= address(a) + 65 * sizeof(float));
  CHECK(address(c) > address(b));
  CHECK(address(d) > address(c));
}

TEST_CASE("an arena grows again when a later step needs more") {
  Arena arena(host_memory());
  arena.allocate({1, 1, 1, 100}, DType::f32);
  arena.reset();
  arena.allocate({1, 1, 1, 100}, DType::f32);
  const Tensor large = arena.allocate({4, 512, 512, 1}, DType::f32);
  const size_t last = static_cast<size_t>(large.elements()) - 1;
  large.as<float>()[last] = 7;
  CHECK(large.as<float>()[last] == 7);
  CHECK(arena.peak_bytes() > large.bytes());
}

TEST_CASE("a buffer gives its memory to the one it is moved into") {
  Buffer first(host_memory(), 100);
  void* data = first.data();
  Buffer second = std::move(first);
  CHECK(second.data() == data);
  CHECK(second.bytes() == 100);
  second = Buffer();
  CHECK(second.data() == nullptr);
}

TEST_CASE("gradients of a value with two consumers add up") {
  Tape tape(host_memory());
  Counted x({1, 1, 1, 1});
  x.values[0] = 10;
  Variable& input = tape.variable(x.tensor, true);
  Variable& left = scale(tape, input, 2);
  Variable& right = scale(tape, input, 3);
  CHECK(*right.value.as<float>() == 30);
  start_from(tape, left);
  start_from(tape, right);
  tape.backward();
  CHECK(*input.grad.as<float>() == 5);
}

TEST_CASE("the tape runs backward in reverse order and multiplies along a chain") {
  Tape tape(host_memory());
  Counted x({1, 1, 1, 1});
  std::vector<float> order;
  Variable& input = tape.variable(x.tensor, true);
  Variable& a = scale(tape, input, 2, &order);
  Variable& b = scale(tape, a, 3, &order);
  Variable& c = scale(tape, b, 5, &order);
  start_from(tape, c);
  tape.backward();
  CHECK(order == std::vector<float>{5, 3, 2});
  CHECK(*input.grad.as<float>() == 30);
}

TEST_CASE("no gradient passes a constant and none reaches an unused branch") {
  Tape tape(host_memory());
  Counted x({1, 1, 1, 1});
  std::vector<float> order;
  Variable& input = tape.variable(x.tensor, true);
  Variable& hidden = scale(tape, input, 2, &order);
  Variable& detached = tape.constant(hidden.value);
  Variable& unrecorded = scale(tape, detached, 3, &order);
  Variable& unused = scale(tape, input, 7, &order);
  Variable& used = scale(tape, input, 11, &order);
  CHECK_FALSE(unrecorded.needs_grad);
  CHECK_THROWS_AS(tape.grad_target(detached), InternalError);
  start_from(tape, used);
  tape.backward();
  CHECK(order == std::vector<float>{11});
  CHECK_FALSE(unused.grad_written);
  CHECK_FALSE(hidden.grad_written);
  CHECK(*input.grad.as<float>() == 11);
}

TEST_CASE("an adopted gradient is used in place and later ones add to it") {
  Tape tape(host_memory());
  Counted x({1, 1, 1, 2}), slope({1, 1, 1, 4});
  Variable& input = tape.variable(x.tensor, true);
  const Tensor slice = slope.tensor.channels(1, 2);
  tape.adopt_grad(input, slice);
  CHECK(input.grad.data() == slice.data());
  CHECK(tape.grad_target(input).write == Write::accumulate);
  CHECK(tape.grad_target(input).grad.pitch() == 4);
  CHECK_THROWS_AS(tape.adopt_grad(input, slice), InternalError);
  Variable& other = tape.variable(x.tensor, true);
  CHECK_THROWS_AS(tape.adopt_grad(other, slope.tensor), InternalError);
}

TEST_CASE("a parameter's gradient is overwritten once its content is declared stale") {
  Tape tape(host_memory());
  Counted x({1, 1, 1, 1}), slope({1, 1, 1, 1});
  Variable parameter;
  parameter.value = x.tensor;
  parameter.grad = slope.tensor;
  parameter.needs_grad = true;
  slope.values[0] = std::numeric_limits<float>::quiet_NaN();
  for (int step = 0; step < 2; ++step) {
    parameter.grad_written = false;
    start_from(tape, scale(tape, parameter, 4));
    tape.backward();
    tape.reset();
    CHECK(slope.values[0] == 4);
  }
}

TEST_CASE("versions are never used twice") {
  const uint64_t first = next_version();
  CHECK(first != 0);
  CHECK(next_version() > first);
}

TEST_CASE("bfloat16 rounds to the nearest value, ties to even") {
  CHECK(round_to_bf16(1.0f) == 1.0f);
  CHECK(round_to_bf16(-0.0f) == 0.0f);
  CHECK(std::signbit(round_to_bf16(-0.0f)));
  // Neighbours of 1 are 1/128 apart above it.
  CHECK(round_to_bf16(1 + 1 / 256.0f) == 1.0f);             // tie, 1 is even
  CHECK(round_to_bf16(1 + 3 / 256.0f) == 1 + 2 / 128.0f);   // tie, the upper is even
  CHECK(round_to_bf16(1 + 1.01f / 256) == 1 + 1 / 128.0f);  // above the middle
  CHECK(round_to_bf16(-1 - 1.01f / 256) == -1 - 1 / 128.0f);
  CHECK(round_to_bf16(std::numeric_limits<float>::infinity()) ==
        std::numeric_limits<float>::infinity());
  CHECK(round_to_bf16(std::numeric_limits<float>::max()) == std::numeric_limits<float>::infinity());
  CHECK(std::isnan(round_to_bf16(std::numeric_limits<float>::quiet_NaN())));
  CHECK(std::isnan(round_to_bf16(std::bit_cast<float>(0x7f800001u))));
  CHECK(round_to_bf16(0x1p-133f) == 0x1p-133f);  // the smallest denormal
}

TEST_CASE("every bfloat16 survives the way through float") {
  int changed = 0;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    bf16 value;
    value.bits = static_cast<uint16_t>(bits);
    const bool is_nan = std::isnan(static_cast<float>(value));
    const uint16_t back = bf16(static_cast<float>(value)).bits;
    changed += is_nan ? (back & 0x7fff) <= 0x7f80 : back != bits;
  }
  CHECK(changed == 0);
}

TEST_CASE("Philox gives the published known answers") {
  // Random123's kat_vectors, philox4x32 with 10 rounds: zeros, ones, digits of pi.
  CHECK(Philox::at(0, 0, 0) == Philox::Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(Philox::at(~0ull, ~0ull, ~0ull) ==
        Philox::Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(Philox::at(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88) ==
        Philox::Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a restored generator continues exactly where the saved one was") {
  Random random(42, 3);
  for (int i = 0; i < 7; ++i) random.next_u32();
  random.normal();
  const Random::State state = random.state();
  Random restored(state);
  for (int i = 0; i < 20; ++i) CHECK(restored.next_u64() == random.next_u64());
  CHECK(restored.normal() == random.normal());
  CHECK(restored.state() == random.state());
}

TEST_CASE("random sequences differ by seed and by stream") {
  const uint32_t first = Random(1, 0).next_u32();
  CHECK(Random(1, 0).next_u32() == first);
  CHECK(Random(2, 0).next_u32() != first);
  CHECK(Random(1, 1).next_u32() != first);
}

TEST_CASE("random numbers have the range, mean and spread they promise") {
  Random random(7);
  constexpr int kDraws = 100000;
  double sum = 0, normal_sum = 0, normal_squares = 0;
  std::vector<int> counts(7);
  for (int i = 0; i < kDraws; ++i) {
    const float u = random.uniform();
    REQUIRE((u >= 0 && u < 1));
    sum += u;
    const double z = random.normal();
    normal_sum += z;
    normal_squares += z * z;
    ++counts[random.below(7)];
  }
  // Five standard deviations of each mean.
  CHECK(sum / kDraws == Approx(0.5).margin(5 * 0.2887 / std::sqrt(kDraws)));
  CHECK(normal_sum / kDraws == Approx(0).margin(5 / std::sqrt(kDraws)));
  CHECK(normal_squares / kDraws == Approx(1).margin(5 * std::sqrt(2.0 / kDraws)));
  for (const int count : counts)
    CHECK(count == Approx(kDraws / 7.0).margin(5 * std::sqrt(kDraws / 7.0)));
  CHECK(unit_float(0) == 0);
  CHECK(unit_float(~0u) < 1);
  CHECK_THROWS_AS(random.below(0), InternalError);
}

TEST_CASE("parallel_for runs every index once") {
  for (const int64_t count : {0, 1, 2, 1000}) {
    std::vector<std::atomic<int>> runs(static_cast<size_t>(count));
    parallel_for(count, [&](int64_t i) { ++runs[i]; });
    int wrong = 0;
    for (const auto& n : runs) wrong += n != 1;
    CHECK(wrong == 0);
  }
}

TEST_CASE("parallel_for works with any number of threads and within itself") {
  const int before = threads();
  for (const int count : {1, 2, 5}) {
    set_threads(count);
    CHECK(threads() == count);
    std::atomic<int64_t> sum{0};
    parallel_for(10, [&](int64_t i) { parallel_for(10, [&](int64_t k) { sum += 10 * i + k; }); });
    CHECK(sum == 99 * 100 / 2);
  }
  set_threads(0);
  CHECK(threads() == before);
  set_threads(before);
}

TEST_CASE("a limited thread's loops stay in it, and those of others do not change") {
  const auto threads_of_loop = [] {
    std::mutex mutex;
    std::set<std::thread::id> seen;
    parallel_for(64, [&](int64_t) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      const std::lock_guard lock(mutex);
      seen.insert(std::this_thread::get_id());
    });
    return seen.size();
  };
  size_t limited = 0;
  std::thread([&] {
    limit_threads(1);
    limited = threads_of_loop();
  }).join();
  CHECK(limited == 1);
  const int before = threads();
  set_threads(3);
  CHECK(threads_of_loop() > 1);
  set_threads(before);
}

TEST_CASE("an exception in a parallel body reaches the caller and breaks nothing") {
  for (const int64_t count : {1, 100}) {
    CHECK_THROWS_WITH(parallel_for(count,
                                   [&](int64_t i) {
                                     if (i == count / 2) throw std::runtime_error("index");
                                   }),
                      "index");
    std::atomic<int> runs{0};
    parallel_for(count, [&](int64_t) { ++runs; });
    CHECK(runs == count);
  }
}

TEST_CASE("parallel_ranges cuts without gaps, whatever the number of threads") {
  std::vector<std::atomic<int>> covered(103);
  std::atomic<int> pieces{0};
  parallel_ranges(103, 10, [&](int64_t begin, int64_t end) {
    ++pieces;
    for (int64_t i = begin; i < end; ++i) ++covered[i];
  });
  CHECK(pieces == 11);
  int wrong = 0;
  for (const auto& n : covered) wrong += n != 1;
  CHECK(wrong == 0);
  parallel_ranges(0, 10, [&](int64_t, int64_t) { ++pieces; });
  CHECK(pieces == 11);
}

TEST_CASE("sizes for people are short") {
  CHECK(human_bytes(0) == "0 bytes");
  CHECK(human_bytes(999) == "999 bytes");
  CHECK(human_bytes(1400000000) == "1.4 GB");
  CHECK(human_bytes(123456789) == "123 MB");
}
