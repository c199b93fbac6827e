// A file that grows with a run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace gan {

// What is added is kept in memory until flush() appends it. A write that fails, or a run that is
// killed, leaves at most a piece at the end that the next one takes back.
class GrowingFile {
 public:
  explicit GrowingFile(std::filesystem::path path) : path_(std::move(path)) {}

  // Replaces the file by one that holds just this; nothing: removes it. Throws DataError.
  void begin(std::string_view content);
  void add(std::string_view content) { waiting_ += content; }
  // Throws DataError; what was added is kept and the next call tries again.
  void flush();

  const std::filesystem::path& path() const { return path_; }
  bool empty() const { return good_bytes_ == 0 && waiting_.empty(); }

 private:
  std::filesystem::path path_;
  uintmax_t good_bytes_ = 0;  // what of the file is complete
  std::string waiting_;
};

}  // namespace gan
