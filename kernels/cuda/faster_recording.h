// Recorded work in two orders, until it is known in which of them the device does it faster.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/memory.h"
#include "kernels/cuda/host.h"

namespace gan {

// What both orders took, in seconds, and which of them is taken from then on.
struct OrderVerdict {
  size_t operations = 0;
  double given = 0, data = 0;
  bool takes_data = false;
};
// "order of a recorded piece of 106 operations: as given 1450 us, by its data 1150 us: the latter".
std::string text_of(const OrderVerdict& verdict);

// Replays one and the other in turn, and looks at a clock meanwhile without waiting for the device; both leave the
// same bytes, so nothing but time depends on the outcome. Then it keeps the faster one: that of its data has to
// be faster by 3%.
class FasterRecording final : public Recording {
 public:
  FasterRecording(std::unique_ptr<Recording> given, std::unique_ptr<Recording> data,
                  gpu::Stream stream, std::function<void(const OrderVerdict&)> tell);

  void replay() override;
  size_t operations() const override { return recordings_[turn_]->operations(); }

 private:
  enum Order : size_t { kGiven, kData };
  void look_at_the_clock();
  void decide();

  std::array<std::unique_ptr<Recording>, 2> recordings_;  // one is null when it is decided
  std::array<std::vector<double>, 2> seconds_;
  size_t turn_ = kGiven;
  gpu::Stream stream_;
  std::optional<gpu::Stopwatch> stopwatch_;  // until it is decided
  bool running_ = false;                     // the stopwatch
  std::function<void(const OrderVerdict&)> tell_;
};

}  // namespace gan
