// How a GPU is opened, and the choice between backends, with some that take a known time.
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

class Sleeper final : public Backend {
 public:
  Sleeper(std::string name, int microseconds) : name_(std::move(name)), time_(microseconds) {}
  std::string_view name() const override { return name_; }
  std::string description() const override { return name_; }
  bool supports(const Call& call) const override { return call.op == Op::conv_forward; }
  void conv_forward(const ConvGeometry&, const Tensor&, const Weights&, const Epilogue&,
                    const Tensor&) override {
    std::this_thread::sleep_for(std::chrono::microseconds(time_));
    ++runs;
  }
  int runs = 0;

 private:
  std::string name_;
  int time_;
};

Kernels::Backends pair_of(int first, int second) {
  Kernels::Backends backends;
  backends.push_back(std::make_unique<Sleeper>("one", first));
  backends.push_back(std::make_unique<Sleeper>("two", second));
  return backends;
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

TEST_CASE("the tuner picks what is clearly faster, and remembers it for the same hardware") {
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

TEST_CASE(
    "the tuner measures own kernels on numbers that are not zero, and does without where memory is "
    "short",
    "[smallest]") {
  CudaMemory memory(gpu::make_stream());
  Kernels::Backends backends;
  backends.push_back(make_cuda_backend(memory));
  Tuner tuner(memory, {});
  const ConvGeometry half = {.stride = 2};
  for (const Op op : {Op::conv_forward, Op::conv_backward_data, Op::conv_backward_weights}) {
    const Call call = {op, DType::bf16, {1, 4, 4, 8}, {1, 2, 2, 8}, half};
    CHECK(tuner.choose(call, backends) == backends.front().get());
  }
  const Shape vast = {1 << 15, 128, 128, 64};  // 64 GB and more
  CHECK(tuner.choose({Op::conv_forward, DType::bf16, vast, vast, {}}, backends) == nullptr);
}

TEST_CASE("a tuner without a cache that can be read or written measures") {
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
