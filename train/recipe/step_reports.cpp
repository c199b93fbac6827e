#include "train/recipe/step_reports.h"

#include <utility>

namespace gan {

void StepReports::post(const Tensor& numbers, std::vector<double> notes) {
  const int64_t count = numbers.elements();
  if (readback_count_ < count) {
    free_.clear();
    readback_count_ = count;
  }
  Posted& posted = posted_.emplace_back();
  posted.notes = std::move(notes);
  posted.count = count;
  if (free_.empty()) {
    posted.readback =
        device_.memory.make_readback(static_cast<size_t>(readback_count_) * sizeof(float));
  } else {
    posted.readback = std::move(free_.back());
    free_.pop_back();
  }
  posted.readback->start(numbers.as<float>(), numbers.bytes());
}

void StepReports::arrive(Posted& posted) {
  if (!posted.readback) return;
  const auto* numbers = static_cast<const float*>(posted.readback->wait());
  posted.numbers.assign(numbers, numbers + posted.count);
  if (posted.count == readback_count_) free_.push_back(std::move(posted.readback));
  posted.readback.reset();
}

bool StepReports::take(Report& report, bool all) {
  const auto later = static_cast<size_t>(all ? 0 : device_.memory.steps_ahead());
  if (posted_.size() <= later) return false;
  arrive(posted_.front());
  report = {std::move(posted_.front().numbers), std::move(posted_.front().notes)};
  posted_.pop_front();
  return true;
}

void StepReports::wait() {
  if (!posted_.empty()) arrive(posted_.back());
}

void StepReports::state(Archive& archive) {
  if (device_.memory.steps_ahead() == 0) return;
  auto count = static_cast<int64_t>(posted_.size());
  archive.number("reports", count);
  if (archive.is_loading()) {
    if (count < 0 || count > device_.memory.steps_ahead()) {
      throw DataError(str("a checkpoint with ", count, " reports under way"));
    }
    posted_.clear();
    posted_.resize(static_cast<size_t>(count));
  }
  for (int64_t i = 0; i < count; ++i) {
    Posted& posted = posted_[static_cast<size_t>(i)];
    if (!archive.is_loading()) arrive(posted);
    const std::string name = str("reports.", i);
    archive.numbers(name + ".notes", posted.notes);
    archive.numbers(name + ".numbers", posted.numbers);
  }
}

}  // namespace gan
