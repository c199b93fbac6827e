// How far a long piece of work is.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <iostream>
#include <string>

namespace gan {

// "3,641".
std::string grouped(int64_t number);
// "0.4 s", "12 s", "3 min 20 s", "2 h 05 min".
std::string human_seconds(double seconds);

// How progress is shown. live: one line, rewritten in place. lines: a line now and then, for logs
// and pipes. quiet: nothing.
enum class ProgressStyle { live, lines, quiet };

// What suits standard error: live on a terminal, lines elsewhere.
ProgressStyle progress_style(bool quiet = false);

// "Loading: 512 of 3,641 photos (14%), 480 photos/s, 6 s left, suffix". `counted` of the done
// units took `seconds`; the others were done before.
std::string progress_line(const std::string& title, const std::string& unit, int64_t done,
                          int64_t total, int64_t counted, double seconds,
                          const std::string& suffix);

// Shows the progress of work whose size is known. Not for use by several threads at once.
class Progress {
 public:
  // `done` units are done already, and do not count towards the rate.
  Progress(std::string title, std::string unit, int64_t total,
           ProgressStyle style = progress_style(), std::ostream& out = std::cerr, int64_t done = 0);
  // Ends a live line, so that what follows (an error, perhaps) starts on its own line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Cheap enough to call for every unit: most calls show nothing. `suffix` is appended to the line.
  void update(int64_t done, const std::string& suffix = "");
  // Takes a live line off the terminal, to write something else; it comes back with an update.
  void clear();
  // Shows the last state whatever the time.
  void finish(const std::string& suffix = "");

 private:
  using Clock = std::chrono::steady_clock;

  void show(Clock::time_point now, const std::string& suffix);

  std::string title_, unit_;
  int64_t total_, first_, done_;
  ProgressStyle style_;
  std::ostream& out_;
  Clock::time_point start_, last_shown_;
  bool line_open_ = false;
};

// A Progress that begins when it is told how much there is: for loading photos (LoadProgress).
std::function<void(int64_t done, int64_t total)> loading_progress(bool quiet);

}  // namespace gan
