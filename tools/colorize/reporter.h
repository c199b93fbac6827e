// What a run of gan_colorize tells while it works.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "engine/error.h"
#include "engine/progress.h"

namespace gan {

// For use by several threads at once. With more than one photo there is a line with the progress: live
// on a terminal, now and then elsewhere. The names of results go to standard output, unless that
// is a terminal which shows the progress already.
class Reporter {
 public:
  explicit Reporter(int64_t photos);

  void done(const std::string& target);
  void failed(const std::string& why, ExitCode code);
  void note(const std::string& text);
  // Shows the last state.
  void finish();

  int64_t count_done() const { return done_; }
  int64_t count_failed() const { return failed_; }
  ExitCode last_failure() const { return last_failure_; }

 private:
  void update();

  const bool names_;  // are printed
  std::mutex mutex_;
  Progress progress_;
  int64_t done_ = 0, failed_ = 0;
  ExitCode last_failure_ = ExitCode::ok;
};

}  // namespace gan
