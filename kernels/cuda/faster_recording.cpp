#include "kernels/cuda/faster_recording.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/error.h"

namespace gan {
namespace {

constexpr size_t kUntimed = 1;  // replays of each at first: the first one takes longer
constexpr size_t kTimed = 7;
constexpr double kClearly = 0.97;

double median_after_the_first(std::vector<double> seconds) {
  seconds.erase(seconds.begin(), seconds.begin() + kUntimed);
  const auto middle = seconds.begin() + static_cast<ptrdiff_t>(seconds.size() / 2);
  std::nth_element(seconds.begin(), middle, seconds.end());
  return *middle;
}

}  // namespace

std::string text_of(const OrderVerdict& verdict) {
  const auto microseconds = [](double seconds) { return std::llround(seconds * 1e6); };
  return str("order of a recorded piece of ", verdict.operations, " operations: as given ",
             microseconds(verdict.given), " us, by its data ", microseconds(verdict.data),
             " us: the ", verdict.takes_data ? "latter" : "former");
}

FasterRecording::FasterRecording(std::unique_ptr<Recording> given, std::unique_ptr<Recording> data,
                                 gpu::Stream stream, std::function<void(const OrderVerdict&)> tell)
    : recordings_{std::move(given), std::move(data)}, stream_(stream), tell_(std::move(tell)) {
  stopwatch_.emplace();
}

void FasterRecording::replay() {
  if (running_) look_at_the_clock();
  if (!stopwatch_ || running_) return recordings_[turn_]->replay();
  stopwatch_->start(stream_);
  recordings_[turn_]->replay();
  stopwatch_->stop(stream_);
  running_ = true;
}

void FasterRecording::look_at_the_clock() {
  const std::optional<double> seconds = stopwatch_->seconds();
  if (!seconds) return;
  running_ = false;
  seconds_[turn_].push_back(*seconds);
  turn_ = turn_ == kGiven ? kData : kGiven;
  if (seconds_[turn_].size() == kUntimed + kTimed) decide();
}

void FasterRecording::decide() {
  OrderVerdict verdict = {.operations = operations(),
                          .given = median_after_the_first(std::move(seconds_[kGiven])),
                          .data = median_after_the_first(std::move(seconds_[kData]))};
  verdict.takes_data = verdict.data < kClearly * verdict.given;
  turn_ = verdict.takes_data ? kData : kGiven;
  gpu::synchronize(stream_);  // the other one may still be running
  recordings_[verdict.takes_data ? kGiven : kData].reset();
  stopwatch_.reset();
  tell_(verdict);
}

}  // namespace gan
