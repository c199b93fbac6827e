#include "engine/progress.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#ifdef _WIN32
#include <io.h>
#else
#include <sys/ioctl.h>
#include <unistd.h>
#endif

#include "engine/error.h"

namespace gan {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLiveInterval{100};
constexpr milliseconds kLineInterval{2000};

bool error_stream_is_terminal() {
#ifdef _WIN32
  return _isatty(_fileno(stderr)) != 0;
#else
  return isatty(STDERR_FILENO) != 0;
#endif
}

// A longer line would wrap, and could not be rewritten.
size_t terminal_columns() {
#ifndef _WIN32
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
    return static_cast<size_t>(size.ws_col) - 1;
#endif
  return 79;
}

std::string rate_text(double rate) {
  return rate < 10 ? fixed(rate, 1) : grouped(std::llround(rate));
}

std::string two_digits(int64_t number) {
  return (number < 10 ? "0" : "") + std::to_string(number);
}

}  // namespace

std::string grouped(int64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    const size_t following = digits.size() - i;
    if (i > 0 && following % 3 == 0 && digits[i - 1] != '-') text += ',';
    text += digits[i];
  }
  return text;
}

std::string human_seconds(double seconds) {
  if (seconds < 9.95) return fixed(seconds, 1) + " s";
  const int64_t whole = std::llround(seconds);
  if (whole < 60) return str(whole, " s");
  if (whole < 3600) return str(whole / 60, " min ", two_digits(whole % 60), " s");
  return str(whole / 3600, " h ", two_digits(whole % 3600 / 60), " min");
}

ProgressStyle progress_style(bool quiet) {
  if (quiet) return ProgressStyle::quiet;
  return error_stream_is_terminal() ? ProgressStyle::live : ProgressStyle::lines;
}

std::string progress_line(const std::string& title, const std::string& unit, int64_t done,
                          int64_t total, int64_t counted, double seconds,
                          const std::string& suffix) {
  std::string line = str(title, ": ", grouped(done), " of ", grouped(total), " ", unit);
  const bool finished = done >= total;
  if (!finished) line += str(" (", 100 * done / total, "%)");
  if (counted > 0 && seconds > 0) {
    const double rate = static_cast<double>(counted) / seconds;
    line += str(", ", rate_text(rate), " ", unit, "/s, ");
    line += finished ? human_seconds(seconds)
                     : human_seconds(static_cast<double>(total - done) / rate) + " left";
  }
  if (!suffix.empty()) line += ", " + suffix;
  return line;
}

Progress::Progress(std::string title, std::string unit, int64_t total, ProgressStyle style,
                   std::ostream& out, int64_t done)
    : title_(std::move(title)),
      unit_(std::move(unit)),
      total_(total),
      first_(done),
      done_(done),
      style_(style),
      out_(out),
      start_(Clock::now()),
      last_shown_(start_) {}

Progress::~Progress() {
  if (line_open_) out_ << "\n" << std::flush;
}

void Progress::update(int64_t done, const std::string& suffix) {
  done_ = done;
  if (style_ == ProgressStyle::quiet) return;
  const auto now = Clock::now();
  const auto interval = style_ == ProgressStyle::live ? kLiveInterval : kLineInterval;
  if (now - last_shown_ >= interval) show(now, suffix);
}

void Progress::clear() {
  if (!line_open_) return;
  out_ << "\r\x1b[K" << std::flush;
  line_open_ = false;
  last_shown_ = {};
}

void Progress::finish(const std::string& suffix) {
  if (style_ == ProgressStyle::quiet) return;
  show(Clock::now(), suffix);
  if (line_open_) out_ << "\n" << std::flush;
  line_open_ = false;
}

void Progress::show(Clock::time_point now, const std::string& suffix) {
  last_shown_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  std::string line = progress_line(title_, unit_, done_, total_, done_ - first_, seconds, suffix);
  if (style_ == ProgressStyle::lines) {
    out_ << line + "\n" << std::flush;
    return;
  }
  line.resize(std::min(line.size(), terminal_columns()));
  out_ << "\r" + line + "\x1b[K" << std::flush;  // the last part clears the rest of the old line
  line_open_ = true;
}

std::function<void(int64_t done, int64_t total)> loading_progress(bool quiet) {
  return [quiet, progress = std::shared_ptr<Progress>()](int64_t done, int64_t total) mutable {
    if (!progress)
      progress = std::make_shared<Progress>("Loading", "photos", total, progress_style(quiet));
    progress->update(done);
    if (done == total) progress->finish();
  };
}

}  // namespace gan
