// Errors that reach a person, and the small text helpers that build their messages.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace gan {

// What a program answers to its caller. The numbers are the exit codes of every program here.
enum class ExitCode { ok = 0, some_failed = 1, usage = 2, data = 3, device = 4 };

// One line for a person: what went wrong, where, and what to do. `code` becomes the exit code.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

// Wrong options or arguments (exit code 2).
struct UsageError : Error {
  explicit UsageError(const std::string& message) : Error(ExitCode::usage, message) {}
};

// A file or folder that cannot be used (exit code 3).
struct DataError : Error {
  explicit DataError(const std::string& message) : Error(ExitCode::data, message) {}
};

// No usable device, or not enough memory (exit code 4).
struct DeviceError : Error {
  explicit DeviceError(const std::string& message) : Error(ExitCode::device, message) {}
};

// A broken rule inside the engine: a shape that does not fit, an operation without a backend.
// Never the user's fault, so it is not an Error.
struct InternalError : std::logic_error {
  using std::logic_error::logic_error;
};

// Concatenates its arguments as text: str("expected ", 3, " channels").
template <class... Args>
std::string str(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

// `value` with `digits` digits after the point.
std::string fixed(double value, int digits);

// Throws InternalError with `message` unless `condition` holds.
template <class... Message>
void require(bool condition, const Message&... message) {
  if (!condition) throw InternalError(str(message...));
}

}  // namespace gan
