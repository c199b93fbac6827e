// Two orders of recorded work, and which of them is kept.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "kernels/cuda/faster_recording.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/scratch.h"
#include "tests/cuda/recorded_steps.h"

namespace gan::testing {
namespace {

constexpr int kUntilDecided = 17;  // replays: eight of each, and one that finds the last time

// Takes so many microseconds, the first time much longer.
class Sleep final : public Recording {
 public:
  Sleep(int microseconds, int& replays, bool& exists)
      : microseconds_(microseconds), replays_(replays), exists_(exists) {
    exists_ = true;
  }
  ~Sleep() override { exists_ = false; }
  void replay() override {
    const int first = replays_++ == 0 ? 20000 : 0;
    std::this_thread::sleep_for(std::chrono::microseconds(first + microseconds_));
  }
  size_t operations() const override { return 5; }

 private:
  int microseconds_;
  int& replays_;
  bool& exists_;
};

// Operations beside each other with working memory of their own, `count` of them.
struct Branches {
  RecordingGpu gpu{gpu::make_stream(), RecordedOrder::fastest};
  Arena arena{gpu.memory};
  cuda::ScratchMemory scratch{gpu.memory, &gpu.memory.dataflow()};
  std::vector<Tensor> vectors;

  static constexpr size_t kWorking = 1000;

  explicit Branches(int count) {
    for (int i = 0; i < count; ++i) vectors.push_back(arena.allocate(vector_shape(4), DType::f32));
    scratch.get(kWorking);  // what the given order takes is there from before
  }
  std::unique_ptr<Recording> record() {
    return gpu.memory.record([this] {
      for (const Tensor& vector : vectors)
        gpu.memory.dataflow().operation({}, {vector}, [&] {
          scratch.get(kWorking);
          cuda::fill(vector, 3, gpu.stream);
        });
    });
  }
};

}  // namespace

TEST_CASE("the faster one of two orders is kept", "[time]") {
  const gpu::Stream stream = gpu::make_stream();
  struct Times {
    int given, data;
    bool takes_data;
  };
  // What is hardly faster is not taken: it may be no more than an error of measuring.
  for (const Times times : {Times{3000, 500, true}, Times{500, 3000, false}, Times{0, 0, false}}) {
    int given_replays = 0, data_replays = 0;
    bool given_exists = false, data_exists = false;
    std::vector<OrderVerdict> verdicts;
    FasterRecording recording(std::make_unique<Sleep>(times.given, given_replays, given_exists),
                              std::make_unique<Sleep>(times.data, data_replays, data_exists),
                              stream, [&](const OrderVerdict& v) { verdicts.push_back(v); });
    for (int i = 1; i < kUntilDecided; ++i) {
      recording.replay();
      CHECK(recording.operations() == 5);
    }
    CHECK(given_replays == 8);
    CHECK(data_replays == 8);
    CHECK(verdicts.empty());
    recording.replay();
    REQUIRE(verdicts.size() == 1);
    CAPTURE(times.given, times.data, text_of(verdicts[0]));
    if (times.given != times.data) {
      CHECK(verdicts[0].takes_data == times.takes_data);
      CHECK(verdicts[0].given >= times.given * 1e-6);
      CHECK(verdicts[0].data >= times.data * 1e-6);
      CHECK(verdicts[0].given < 0.02);  // the first time does not count
    }
    CHECK(given_exists != verdicts[0].takes_data);
    CHECK(data_exists == verdicts[0].takes_data);
    for (int i = 0; i < 10; ++i) recording.replay();
    CHECK((verdicts[0].takes_data ? data_replays : given_replays) == 8 + 1 + 10);
    CHECK((verdicts[0].takes_data ? given_replays : data_replays) == 8);
    CHECK(verdicts.size() == 1);
    CHECK(recording.operations() == 5);
  }
}

TEST_CASE("what was found out about an order is a line for people", "[smallest]") {
  CHECK(text_of({.operations = 106, .given = 1450.4e-6, .data = 1149.6e-6, .takes_data = true}) ==
        "order of a recorded piece of 106 operations: as given 1450 us, by its data 1150 us: the "
        "latter");
}

TEST_CASE("work of which nothing is beside anything else is recorded as given", "[smallest]") {
  Branches one(1);
  const size_t before = one.gpu.memory.in_use();
  const auto recording = one.record();
  CHECK(one.gpu.memory.in_use() == before);
  for (int i = 0; i < kUntilDecided; ++i) recording->replay();
  CHECK(one.gpu.memory.order_report().empty());
  CHECK(to_host(one.gpu.memory, one.vectors[0]) == std::vector<float>(4, 3.0f));
}

TEST_CASE("recordings share working memory, and give it back with the last that has it",
          "[smallest]") {
  constexpr size_t kPiece = Branches::kWorking + cuda::Scratch::kArrivalBytes;
  Branches two(2);
  CudaMemory& memory = two.gpu.memory;
  memory.record_in(RecordedOrder::data);
  const size_t before = memory.in_use();
  auto first = two.record();
  CHECK(memory.in_use() == before + 2 * kPiece);
  auto second = two.record();
  CHECK(memory.in_use() == before + 2 * kPiece);
  first.reset();
  CHECK(memory.in_use() == before + 2 * kPiece);
  second.reset();
  CHECK(memory.in_use() == before);
}

TEST_CASE("two orders leave the same, and what one of them had is given back", "[smallest]") {
  Branches two(2);
  CudaMemory& memory = two.gpu.memory;
  CHECK(memory.most_recording_bytes() == cuda::Dataflow::kMostApart);
  const size_t before = memory.in_use();
  const auto recording = two.record();
  CHECK(memory.in_use() > before);
  for (int i = 0; i < kUntilDecided; ++i) {
    CHECK(memory.order_report().empty());
    for (const Tensor& vector : two.vectors) memory.fill_zero(vector.data(), 16);
    recording->replay();
    for (const Tensor& vector : two.vectors)
      CHECK(to_host(memory, vector) == std::vector<float>(4, 3.0f));
  }
  const std::string report = memory.order_report();
  INFO(report);
  CHECK_THAT(report, Catch::StartsWith("order of a recorded piece of 2 operations"));
  const bool data = report.find("latter") != std::string::npos;
  CHECK((memory.in_use() > before) == data);
  CHECK(memory.order_report().empty());
}

TEST_CASE("work that is recorded anew has one line in the report", "[smallest]") {
  Branches two(2);
  for (int times = 0; times < 3; ++times) {
    const auto recording = two.record();
    for (int i = 0; i < kUntilDecided; ++i) recording->replay();
  }
  const std::string report = two.gpu.memory.order_report();
  CHECK(std::count(report.begin(), report.end(), '\n') == 1);
}

TEST_CASE("where an order by data cannot be recorded, the given one is, and it is said",
          "[smallest]") {
  Branches one(1);
  int times = 0;
  const auto recording = one.gpu.memory.record([&] {
    one.gpu.memory.dataflow().operation({}, {one.vectors[0]}, [&] {
      if (times++ == 0) throw DeviceError("no memory left");
      cuda::fill(one.vectors[0], 3, one.gpu.stream);
    });
  });
  CHECK_THAT(one.gpu.memory.order_report(),
             Catch::Contains("recorded as given") && Catch::Contains("no memory left"));
  recording->replay();
  CHECK(to_host(one.gpu.memory, one.vectors[0]) == std::vector<float>(4, 3.0f));
}

}  // namespace gan::testing
