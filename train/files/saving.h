// Saving that is tried again for as long as training goes on.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <utility>

#include "model/tensor_file.h"

namespace gan {

// Attempts to write. What fails is a warning, told once for all attempts of a round, and training goes
// on: the next round tries again.
class Saving {
 public:
  // Runs something that writes; false: it threw a DataError.
  bool attempt(const std::function<void()>& write);
  // Ends a round of attempts: says on standard error what failed, or that saving works again.
  void end_round();
  // Why the last round failed; empty when it did not.
  const std::string& failure() const { return failure_; }

 private:
  std::string failure_, failing_;  // of the last round, of this one: its first
};

// A file of tensors that has to reach the disk, sooner or later: its content stays in memory, for as long
// as it could not be written and for when the file has vanished.
class KeptFile {
 public:
  explicit KeptFile(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path& path() const { return path_; }
  void set(TensorFile file);
  // Writes what has not been written, or is not there any more. Throws DataError.
  void write();

 private:
  std::filesystem::path path_;
  TensorFile file_;
  bool waits_ = false;
};

// Throws DataError when a number is not finite: such a file is of no use to anybody.
void write_finite(const std::filesystem::path& path, const TensorFile& file);

}  // namespace gan
