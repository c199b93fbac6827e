// How a GPU is opened, and the choice between backends, with some that take a known time.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/cuda_memory.h"
#include "kernels/cuda/host.h"
#include "kernels/cuda/tuner.h"
#include "kernels/gpu_device.h"
#include "tests/temp_folder.h"

namespace gan::testing {
namespace {

constexpr int kRefuses = -1, kLosesDevice = -2;

// The computer's memory, until a backend's kernel has made away with the device.
class FragileMemory final : public Memory {
 public:
  DeviceKind device() const override { return host_memory().device(); }
  void* allocate(size_t bytes) override { return host_memory().allocate(bytes); }
  void release(void* block) noexcept override { host_memory().release(block); }
  void fill_zero(void* block, size_t bytes) override { host_memory().fill_zero(block, bytes); }
  void copy_from_host(void* to, const void* from, size_t bytes) override {
    host_memory().copy_from_host(to, from, bytes);
  }
  void copy_to_host(void* to, const void* from, size_t bytes) override {
    if (lost) throw DeviceError("an illegal memory access");
    host_memory().copy_to_host(to, from, bytes);
  }
  static inline bool lost = false;
};

// A way of computing that takes so many microseconds.
struct Sleep {
  std::string name;
  int microseconds;
};

class Sleeper final : public Backend {
 public:
  Sleeper(std::string name, std::vector<Sleep> ways)
      : name_(std::move(name)), ways_(std::move(ways)) {}
  Sleeper(std::string name, int microseconds)
      : Sleeper(std::move(name), std::vector<Sleep>{{"automatic", microseconds}}) {}
  std::string_view name() const override { return name_; }
  std::string description() const override { return name_; }
  bool supports(const Call& call) const override { return call.op == Op::conv_forward; }
  std::vector<std::string> variants(const Call&) const override {
    std::vector<std::string> names;
    for (const Sleep& way : ways_) names.push_back(way.name);
    return names;
  }
  void take_variant(const Call&, size_t index) override { taken = index; }
  void conv_forward(const ConvGeometry&, const Tensor&, const Weights&, const Epilogue&,
                    const Tensor&) override {
    ++runs;
    FragileMemory::lost = ways_.at(taken).microseconds == kLosesDevice;
    if (ways_.at(taken).microseconds < 0) throw DeviceError("no memory");
    std::this_thread::sleep_for(std::chrono::microseconds(ways_.at(taken).microseconds));
  }
  int runs = 0;
  size_t taken = 0;

 private:
  std::string name_;
  std::vector<Sleep> ways_;
};

Kernels::Backends pair_of(int first, int second) {
  Kernels::Backends backends;
  backends.push_back(std::make_unique<Sleeper>("one", first));
  backends.push_back(std::make_unique<Sleeper>("two", second));
  return backends;
}

// "one" in several ways, and "two" in one.
Kernels::Backends several_and(std::vector<Sleep> first, int second) {
  Kernels::Backends backends;
  backends.push_back(std::make_unique<Sleeper>("one", std::move(first)));
  backends.push_back(std::make_unique<Sleeper>("two", second));
  return backends;
}

size_t taken(const Kernels::Backends& backends) {
  return static_cast<const Sleeper&>(*backends.front()).taken;
}

int runs(const Kernels::Backends& backends) {
  int sum = 0;
  for (const auto& backend : backends) sum += static_cast<const Sleeper&>(*backend).runs;
  return sum;
}

}  // namespace

TEST_CASE("a GPU opens with its name, what is asked for, and a stream that can be recorded",
          "[smallest]") {
  const Device device = open_gpu({.precision = DevicePrecision::bf16});
  CHECK_THAT(device.description, Catch::Contains("GPU 0 simulator (sm_80)"));
  CHECK_THAT(device.description, Catch::Contains("bf16"));
  CHECK(device.pictures() == DType::bf16);
  CHECK(device.memory.records());
  CHECK_THROWS_WITH(open_gpu({.backend = "cudnn"}), Catch::Contains("GAN_CUDNN_ROOT"));
}

TEST_CASE("the tuner picks what is clearly faster, and remembers it for the same hardware",
          "[time]") {
  const TempFolder folder;
  const std::filesystem::path cache = folder.path() / "deeper" / "tuning.txt";
  const Call call = {Op::conv_forward, DType::f32, {1, 4, 4, 2}, {1, 4, 4, 2}, {}};
  const Kernels::Backends slow_first = pair_of(2000, 50), fast_first = pair_of(50, 2000);
  {
    Tuner tuner(host_memory(), Choices("card A", cache));
    CHECK(tuner.choose(call, slow_first)->name() == "two");
    CHECK(tuner.choose({Op::adam, DType::f32, {}, {}, {}}, slow_first) == nullptr);
    CHECK(tuner.choose({Op::conv_backward_data, DType::f32, call.x, call.y, {}}, slow_first) ==
          nullptr);
  }
  Tuner again(host_memory(), Choices("card A", cache));
  const int before = runs(slow_first);
  CHECK(again.choose(call, slow_first)->name() == "two");
  CHECK(runs(slow_first) == before);

  // Other hardware is measured for itself, and leaves the first's results where they are.
  Tuner other(host_memory(), Choices("card B", cache));
  CHECK(other.choose(call, fast_first)->name() == "one");
  Tuner first(host_memory(), Choices("card A", cache));
  CHECK(first.choose(call, slow_first)->name() == "two");
  CHECK(runs(slow_first) == before);
}

TEST_CASE("the tuner tells a backend to take a variant that is clearly faster, and remembers it",
          "[time]") {
  const TempFolder folder;
  const std::filesystem::path cache = folder.path() / "tuning.txt";
  const Call call = {Op::conv_forward, DType::f32, {1, 4, 4, 2}, {1, 4, 4, 2}, {}};
  const auto entry = [&] {
    const std::string text = read_text(cache);
    return text.substr(text.rfind(" = ") + 3);
  };
  const std::vector<Sleep> ways = {
      {"automatic", 3000}, {"w64n64", 2500}, {"w64n64, 4 splits", 100}, {"m64n64", 2000}};
  const Kernels::Backends backends = several_and(ways, 1000);
  Tuner tuner(host_memory(), Choices("card", cache));
  CHECK(tuner.choose(call, backends)->name() == "one");
  CHECK(taken(backends) == 2);
  CHECK(entry() == "one: w64n64, 4 splits\n");
  const std::string report = tuner.report();
  INFO(report);
  CHECK_THAT(report, Catch::Contains("*a ") && Catch::Contains("\na w64n64, 4 splits\n1 conv"));

  // Another process, and another device of the same process.
  Tuner again(host_memory(), Choices("card", cache));
  for (Tuner* const by : {&again, &tuner}) {
    const Kernels::Backends fresh = several_and(ways, 1000);
    CHECK(by->choose(call, fresh)->name() == "one");
    CHECK(taken(fresh) == 2);
    CHECK(runs(fresh) == 0);
  }

  // Another backend may still be the fastest: then the first goes on as it does by itself.
  const Kernels::Backends better = several_and({{"automatic", 3000}, {"w64n64", 2000}}, 100);
  Tuner other(host_memory(), Choices("other card", cache));
  CHECK(other.choose(call, better)->name() == "two");
  CHECK(taken(better) == 0);
  CHECK(entry() == "two: automatic\n");

  // No slower variant is taken, nor one that is as good as the automatic one.
  const Kernels::Backends good = several_and({{"automatic", 100}, {"a", 2000}, {"b", 1000}}, 3000);
  CHECK(Tuner(host_memory(), {}).choose(call, good)->name() == "one");
  CHECK(taken(good) == 0);
}

TEST_CASE("what an older tuner chose, or what is no entry at all, is measured again", "[time]") {
  const TempFolder folder;
  const std::filesystem::path cache = folder.path() / "tuning.txt";
  const Call call = {Op::conv_forward, DType::f32, {1, 4, 4, 2}, {1, 4, 4, 2}, {}};
  const std::vector<Sleep> ways = {{"automatic", 2000}, {"w64n64", 50}};
  Tuner(host_memory(), Choices("card", cache)).choose(call, several_and(ways, 1000));
  const std::string text = read_text(cache), key = text.substr(0, text.rfind(" = ") + 3);
  const auto chosen_after = [&](const std::string& entry, int expected_runs) {
    CAPTURE(entry);
    std::ofstream(cache) << key << entry << "\n";
    const Kernels::Backends backends = several_and(ways, 1000);
    Tuner tuner(host_memory(), Choices("card", cache));
    const std::string name(tuner.choose(call, backends)->name());
    CHECK((runs(backends) > 0) == (expected_runs > 0));
    return name + " " + std::to_string(taken(backends));
  };
  // From before there were variants; a variant that is gone; damaged.
  for (const char* const entry : {"one", "two", "one: w32n8", "one: ", "one:", "three: automatic",
                                  "", ": w64n64", "one: w64n64 ", "w64n64"}) {
    CHECK(chosen_after(entry, 1) == "one 1");
  }
  CHECK(chosen_after("one: w64n64", 0) == "one 1");
  CHECK(chosen_after("one: automatic", 0) == "one 0");
  CHECK(chosen_after("two: automatic", 0) == "two 0");
}

TEST_CASE("a variant that fails is passed over", "[time]") {
  const Call call = {Op::conv_forward, DType::f32, {1, 4, 4, 2}, {1, 4, 4, 2}, {}};
  const Kernels::Backends backends =
      several_and({{"automatic", 2000}, {"large", kRefuses}, {"small", 50}}, 4000);
  Tuner tuner(host_memory(), {});
  CHECK(tuner.choose(call, backends) == backends.front().get());
  CHECK(taken(backends) == 2);
}

TEST_CASE("where one backend refuses, the other's ways are measured, and nothing is kept",
          "[time]") {
  const TempFolder folder;
  const std::filesystem::path cache = folder.path() / "tuning.txt";
  const Call call = {Op::conv_forward, DType::f32, {1, 4, 4, 2}, {1, 4, 4, 2}, {}};
  Kernels::Backends backends = several_and({{"automatic", 2000}, {"small", 50}}, kRefuses);
  Tuner tuner(host_memory(), Choices("card", cache));
  CHECK(tuner.choose(call, backends) == backends.front().get());
  CHECK(taken(backends) == 1);
  CHECK_THAT(tuner.report(), Catch::Contains("1 convolution measured: 1 to one"));
  CHECK_FALSE(std::filesystem::exists(cache));
  std::swap(backends.front(), backends.back());
  CHECK(Tuner(host_memory(), {}).choose(call, backends) == backends.back().get());
  CHECK(Tuner(host_memory(), {}).choose(call, pair_of(kRefuses, kRefuses)) == nullptr);
}

TEST_CASE("where a kernel makes away with the device, it is named and nothing is kept") {
  const TempFolder folder;
  const std::filesystem::path cache = folder.path() / "tuning.txt";
  const Call call = {Op::conv_forward, DType::f32, {1, 4, 4, 2}, {1, 4, 4, 2}, {}};
  FragileMemory memory;
  for (const bool automatic : {false, true}) {
    const Kernels::Backends backends =
        automatic
            ? pair_of(kLosesDevice, 50)
            : several_and({{"automatic", 2000}, {"large", kLosesDevice}, {"small", 50}}, 4000);
    Tuner tuner(memory, Choices("card", cache));
    CHECK_THROWS_WITH(tuner.choose(call, backends),
                      Catch::Contains("the GPU was lost while conv forward") &&
                          Catch::Contains(automatic ? "(one, automatic)" : "(one, large)") &&
                          Catch::Contains("an illegal memory access"));
    CHECK_FALSE(std::filesystem::exists(cache));
    FragileMemory::lost = false;
  }
}

TEST_CASE("where there is one way, nothing is measured") {
  const Call call = {Op::conv_forward, DType::f32, {1, 4, 4, 2}, {1, 4, 4, 2}, {}};
  Kernels::Backends backends = pair_of(50, 50);
  backends.pop_back();
  Tuner tuner(host_memory(), {});
  CHECK(tuner.choose(call, backends) == nullptr);
  CHECK(runs(backends) == 0);
}

TEST_CASE("what the tuner measured is a table once, a line later, and nothing where all is known",
          "[time]") {
  const TempFolder folder;
  const std::filesystem::path cache = folder.path() / "tuning.txt";
  Call call = {Op::conv_forward, DType::bf16, {1, 8, 8, 2}, {1, 4, 4, 6}, {.stride = 2}};
  const Kernels::Backends backends = pair_of(2000, 50);
  Tuner tuner(host_memory(), Choices("card", cache));
  CHECK(tuner.report().empty());
  tuner.choose(call, backends);
  const std::string table = tuner.report();
  INFO(table);
  CHECK_THAT(table, Catch::Contains("forward") && Catch::Contains("weight gradient"));
  CHECK_THAT(table, Catch::Contains("conv 3x3/2 bfloat16 1x8x8x2 > 1x4x4x6"));
  CHECK_THAT(table, Catch::Matches("(.|\n)* 2[0-9]{3}[.][0-9]  +[0-9.]+[*]\n(.|\n)*"));
  CHECK_THAT(table, Catch::Contains("1 convolution measured: 0 to one, 1 to two; kept in " +
                                    cache.string()));
  CHECK(tuner.report().empty());
  call.x.n = call.y.n = 2;
  tuner.choose(call, backends);
  CHECK(tuner.report() ==
        "1 convolution measured: 0 to one, 1 to two; kept in " + cache.string() + "\n");

  Tuner again(host_memory(), Choices("card", cache));
  again.choose(call, backends);
  CHECK(again.report().empty());
}

TEST_CASE("directions of a layer share a line, other layers have their own") {
  const Shape x = {1, 8, 8, 2}, y = {1, 8, 8, 4};
  const auto measured = [&](Op op, double one, double two) {
    return Measured{{op, DType::f32, x, y, {}}, {{"one", one}, {"two", two}}, "one", ""};
  };
  Measured slice = measured(Op::conv_forward, 7e-6, 8e-6);
  slice.call.x_pitch = 6;
  const std::vector<Measured> all = {measured(Op::conv_forward, 1e-6, 2e-6),
                                     measured(Op::conv_transpose_forward, 3e-6, 4e-6),
                                     measured(Op::conv_backward_weights, 5e-6, 6e-6), slice};
  const std::string table = tuning_table(all);
  INFO(table);
  CHECK(std::count(table.begin(), table.end(), '\n') == 5);
  CHECK_THAT(table, Catch::Matches("(.|\n)*1[.]0[*] +2[.]0 +5[.]0[*] +6[.]0\n(.|\n)*"));
  CHECK_THAT(table, Catch::Matches("(.|\n)*1x8x8x2 of 6 > 1x8x8x4 +7[.]0[*] +8[.]0\n(.|\n)*"));
  CHECK(tuning_summary(all) == "4 convolutions measured: 4 to one, 0 to two");
}

TEST_CASE("variants have a letter each in the table, explained below it") {
  std::vector<Measured> all;
  for (int i = 0; i < 30; ++i) {
    const Shape x = {1, 8, 8, i + 1};
    all.push_back({{Op::conv_forward, DType::f32, x, x, {}},
                   {{"one", 1e-6 * i}, {"two", 2e-6}},
                   i == 29 ? "two" : "one",
                   i == 28 || i == 29 ? "" : str("tile", 10 + i)});
  }
  const std::string table = tuning_table(all);
  INFO(table);
  CHECK_THAT(table, Catch::Matches("(.|\n)* 0[.]0[*]a +2[.]0\n(.|\n)*"));
  CHECK_THAT(table, Catch::Matches("(.|\n)* 27[.]0[*]ab +2[.]0\n(.|\n)*"));
  CHECK_THAT(table, Catch::Matches("(.|\n)* 28[.]0[*] +2[.]0\n(.|\n)*"));
  CHECK_THAT(table, Catch::Matches("(.|\n)* 29[.]0 +2[.]0[*]\n(.|\n)*"));
  CHECK_THAT(table, Catch::Contains("\na tile10   b tile11 ") && Catch::Contains("ab tile37\n"));
  CHECK(std::count(table.begin(), table.end(), '\n') == 2 + 30 + 3);
}

TEST_CASE("by preference the chooser is not asked, and what was taken is forgotten") {
  int asked = 0;
  Kernels kernels(pair_of(0, 0), [&](const Call&, const Kernels::Backends& among) {
    ++asked;
    return among.back().get();
  });
  const Call call = {Op::conv_forward, DType::f32, {1, 4, 4, 2}, {1, 4, 4, 2}, {}};
  kernels.by_preference([&] { CHECK(kernels(call).name() == "one"); });
  CHECK_THROWS_AS(kernels.by_preference([] { throw DataError("no"); }), DataError);
  CHECK(asked == 0);
  CHECK(kernels.choices().empty());
  CHECK(kernels(call).name() == "two");
  CHECK(asked == 1);
}

TEST_CASE(
    "the tuner measures own kernels on numbers that are not zero, and does without where memory is "
    "short") {
  const gpu::Stream stream = gpu::make_stream();
  CudaMemory memory(stream);
  Kernels::Backends backends;
  for (int i = 0; i < 2; ++i) backends.push_back(make_cuda_backend(memory, stream));
  Tuner tuner(memory, {});
  const ConvGeometry half = {.stride = 2};
  for (const Op op : {Op::conv_forward, Op::conv_backward_data, Op::conv_backward_weights}) {
    Call call = {op, DType::bf16, {1, 4, 4, 8}, {1, 2, 2, 8}, half};
    CHECK(tuner.choose(call, backends) != nullptr);
    call.x_pitch = 24;  // a slice of channels is measured as one, a sum as a sum
    call.adds = op == Op::conv_backward_data;
    CHECK(tuner.choose(call, backends) != nullptr);
    CHECK_THAT(tuner.report(), Catch::Contains("2 convolutions measured"));
  }
  const Shape vast = {1 << 15, 128, 128, 64};  // 64 GB and more
  CHECK(tuner.choose({Op::conv_forward, DType::bf16, vast, vast, {}}, backends) == nullptr);
}

TEST_CASE("the tuner measures the own backend's variants") {
  const gpu::Stream stream = gpu::make_stream();
  CudaMemory memory(stream);
  Kernels::Backends backends;
  backends.push_back(make_cuda_backend(memory, stream));
  const ConvGeometry point = {.kernel = 1, .padding = 0};
  const Call call = {Op::conv_forward, DType::bf16, {1, 32, 32, 64}, {1, 32, 32, 128}, point};
  REQUIRE(backends.front()->variants(call).size() > 1);
  Tuner tuner(memory, {});
  CHECK(tuner.choose(call, backends) == backends.front().get());
  CHECK_THAT(tuner.report(), Catch::Contains("1 convolution measured: 1 to cuda"));
}

TEST_CASE("a tuner without a cache that can be read or written measures", "[time]") {
  const TempFolder folder;
  std::ofstream(folder.path() / "file") << "no = such\nthing";
  const Call call = {Op::conv_forward, DType::f32, {1, 4, 4, 2}, {1, 4, 4, 2}, {}};
  const Kernels::Backends backends = pair_of(50, 2000);
  CHECK(Tuner(host_memory(), {}).choose(call, backends)->name() == "one");
  CHECK(Tuner(host_memory(), Choices("card", folder.path() / "file" / "x"))
            .choose(call, backends)
            ->name() == "one");
  CHECK(Tuner(host_memory(), Choices("card", folder.path() / "file"))
            .choose(call, backends)
            ->name() == "one");
}

}  // namespace gan::testing
