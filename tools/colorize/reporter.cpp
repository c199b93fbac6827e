#include "tools/colorize/reporter.h"

#include <unistd.h>

#include <iostream>

namespace gan {

Reporter::Reporter(int64_t photos)
    : names_(photos == 1 || isatty(STDOUT_FILENO) == 0),
      progress_("Colouring", "photos", photos, progress_style(photos == 1)) {}

void Reporter::done(const std::string& target) {
  const std::lock_guard lock(mutex_);
  ++done_;
  if (names_) std::cout << target << std::endl;
  update();
}

void Reporter::failed(const std::string& why, ExitCode code) {
  const std::lock_guard lock(mutex_);
  ++failed_;
  last_failure_ = code;
  progress_.clear();
  std::cerr << "gan_colorize: " << why << std::endl;
  update();
}

void Reporter::note(const std::string& text) {
  const std::lock_guard lock(mutex_);
  progress_.clear();
  std::cerr << "note: " << text << std::endl;
}

void Reporter::finish() {
  const std::lock_guard lock(mutex_);
  progress_.clear();
}

void Reporter::update() {
  progress_.update(done_ + failed_, failed_ > 0 ? str(failed_, " failed") : "");
}

}  // namespace gan
