// The pipeline of gan_colorize, on photos that are numbers.
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include "tools/colorize/pipeline.h"

namespace gan {
namespace {

struct Number : InFlight {
  size_t job = 0;
  bool colored = false;
};

// What happened to every job, and how much there was at once.
class Recorder : public Stages {
 public:
  bool is_remote(size_t job) const override { return remote.contains(job); }
  std::vector<uint8_t> read(size_t job, const std::atomic<bool>& stop) override {
    fail("read", job);
    std::this_thread::sleep_for(reading);
    if (hanging == job) {
      while (!stop) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return std::vector<uint8_t>(10);
  }
  size_t bytes_needed(size_t, const std::vector<uint8_t>&) override { return bytes; }
  std::unique_ptr<InFlight> decode(size_t job, std::vector<uint8_t>) override {
    enter(bytes);
    auto number = std::make_unique<Number>();
    number->job = job;
    try {
      fail("decode", job);
    } catch (...) {
      leave(bytes);
      throw;
    }
    return number;
  }
  bool same_batch(const InFlight& a, const InFlight& b) const override {
    return static_cast<const Number&>(a).job % kinds == static_cast<const Number&>(b).job % kinds;
  }
  void color(const std::vector<InFlight*>& batch) override {
    ++batches;
    largest_batch = std::max(largest_batch, batch.size());
    for (InFlight* photo : batch) {
      auto& number = static_cast<Number&>(*photo);
      if (number.job % kinds != static_cast<Number*>(batch[0])->job % kinds) ++mixed;
      if (failing.contains({"color", number.job})) {
        if (batch.size() == 1) leave(bytes);
        throw std::runtime_error("color");
      }
      number.colored = true;
    }
  }
  void finish(size_t job, InFlight& photo) override {
    const bool colored = static_cast<Number&>(photo).colored;
    leave(bytes);
    fail("finish", job);
    if (colored) ++finished;
  }

  std::set<size_t> remote;
  std::set<std::pair<std::string, size_t>> failing;
  size_t hanging = SIZE_MAX;
  std::chrono::milliseconds reading{0};
  size_t kinds = 1, bytes = 100;
  std::atomic<int> finished{0};
  int batches = 0, mixed = 0;
  size_t largest_batch = 0;
  std::atomic<size_t> most_held{0};

 private:
  void fail(const std::string& stage, size_t job) const {
    if (failing.contains({stage, job})) throw std::runtime_error(stage);
  }
  void enter(size_t size) {
    const size_t now = held_ += size;
    size_t most = most_held;
    while (most < now && !most_held.compare_exchange_weak(most, now)) {
    }
  }
  void leave(size_t size) { held_ -= size; }

  std::atomic<size_t> held_{0};
};

// What each job ended with: "" or what was thrown.
std::map<size_t, std::string> run(
    Recorder& stages, size_t jobs, const PipelineOptions& options,
    const std::function<bool()>& stop = [] { return false; }) {
  std::map<size_t, std::string> ends;
  run_pipeline(
      stages, jobs, options,
      [&](size_t job, const std::exception_ptr& error) {
        REQUIRE(!ends.contains(job));
        ends[job] = "";
        if (!error) return;
        try {
          std::rethrow_exception(error);
        } catch (const std::exception& thrown) {
          ends[job] = thrown.what();
        }
      },
      stop);
  return ends;
}

TEST_CASE("every job ends once, with any number of threads", "[pipeline]") {
  for (const int workers : {1, 2, 5}) {
    for (const size_t jobs : {size_t{0}, size_t{1}, size_t{3}, size_t{100}}) {
      Recorder stages;
      stages.kinds = 3;
      const auto ends = run(stages, jobs, {.workers = workers, .batch = 4});
      CHECK(ends.size() == jobs);
      CHECK(stages.finished == static_cast<int>(jobs));
      CHECK(stages.largest_batch <= 4);
      CHECK(stages.mixed == 0);
    }
  }
}

TEST_CASE("what a stage throws ends that job alone", "[pipeline]") {
  Recorder stages;
  stages.failing = {{"read", 3}, {"decode", 5}, {"color", 7}, {"finish", 9}, {"read", 12}};
  stages.remote = {12, 13};
  const auto ends = run(stages, 40, {.workers = 2, .batch = 8});
  CHECK(ends.size() == 40);
  for (const auto& [job, end] : ends) {
    const auto failed = std::find_if(stages.failing.begin(), stages.failing.end(),
                                     [&](const auto& f) { return f.second == job; });
    CHECK(end == (failed == stages.failing.end() ? "" : failed->first));
  }
  CHECK(stages.finished == 35);
}

TEST_CASE("memory under way stays within the budget, and a photo beyond it goes alone",
          "[pipeline]") {
  Recorder stages;
  CHECK(run(stages, 60, {.workers = 4, .batch = 8, .bytes = 500}).size() == 60);
  CHECK(stages.most_held <= 500);
  Recorder large;
  large.bytes = 5000;
  CHECK(run(large, 10, {.workers = 4, .batch = 8, .bytes = 500}).size() == 10);
  CHECK(large.most_held == 5000);
}

TEST_CASE("a job that hangs at a server keeps nobody from the end", "[pipeline]") {
  Recorder stages;
  stages.remote = {0, 1, 2};
  stages.hanging = 1;
  int asked = 0;
  const auto ends = run(stages, 20, {.workers = 2, .batch = 64},
                        [&] { return stages.finished == 19 || ++asked > 200; });
  CHECK(ends.size() == 19);
  CHECK(!ends.contains(1));
}

TEST_CASE("after a request to stop nothing new is begun", "[pipeline]") {
  Recorder stages;
  stages.reading = std::chrono::milliseconds(1);  // or all might end before the first question
  const auto ends =
      run(stages, 10000, {.workers = 2, .batch = 4}, [&] { return stages.finished > 20; });
  CHECK(ends.size() > 20);
  CHECK(ends.size() < 10000);
  CHECK(stages.finished == static_cast<int>(ends.size()));
}

TEST_CASE("what the caller's function throws comes out, after all threads ended", "[pipeline]") {
  Recorder stages;
  CHECK_THROWS_WITH(run_pipeline(
                        stages, 50, {.workers = 3},
                        [](size_t, const std::exception_ptr&) { throw std::runtime_error("mine"); },
                        [] { return false; }),
                    "mine");
}

}  // namespace
}  // namespace gan
