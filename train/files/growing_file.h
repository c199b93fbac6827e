// A file that grows with a run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace gan {

// flush() appends what was added. A write that fails, or a run that is killed, leaves at most a piece at
// the end that the next one takes back. All of the content stays in memory, too, some megabytes at most,
// so that a file which has vanished is written anew.
class GrowingFile {
 public:
  explicit GrowingFile(std::filesystem::path path) : path_(std::move(path)) {}

  // Replaces the file by one that holds just this; nothing: removes it. Throws DataError.
  void begin(std::string_view content);
  void add(std::string_view content) { content_ += content; }
  // Throws DataError; the next call tries again.
  void flush();

  const std::filesystem::path& path() const { return path_; }
  bool empty() const { return content_.empty(); }

 private:
  void append();

  std::filesystem::path path_;
  std::string content_;
  size_t written_ = 0;  // of the content
};

}  // namespace gan
