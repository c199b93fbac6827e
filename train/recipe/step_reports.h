// The numbers of steps on their way back from the device.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "kernels/device.h"
#include "train/state/archive.h"

namespace gan {

// A device that works while the host goes on reports a step when some later ones have been given to
// it, always the same number of them, so that what the host decides does not depend on how fast
// either is; the CPU reports at once.
class StepReports {
 public:
  struct Report {
    std::vector<float> numbers;  // the device's
    std::vector<double> notes;   // what the host has to remember of that step
  };

  explicit StepReports(Device& device) : device_(device) {}

  // After the work of a step was given to the device: fetches `numbers`, a float32 vector.
  void post(const Tensor& numbers, std::vector<double> notes);
  // Takes the oldest report once enough later ones are on their way, `all`: or none. False: there is
  // none to take.
  bool take(Report& report, bool all = false);

  // Until the device has done all steps that were posted.
  void wait();

  // What was posted and not taken. Nothing on a device that reports at once.
  void state(Archive& archive);

 private:
  struct Posted {
    std::vector<double> notes;
    std::vector<float> numbers;  // when they have arrived
    std::unique_ptr<Readback> readback;
    int64_t count = 0;
  };
  void arrive(Posted& posted);

  Device& device_;
  std::deque<Posted> posted_;  // the oldest first
  std::vector<std::unique_ptr<Readback>> free_;
  int64_t readback_count_ = 0;  // numbers that each of free_ has room for
};

}  // namespace gan
