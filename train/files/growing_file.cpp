#include "train/files/growing_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "engine/atomic_file.h"
#include "engine/error.h"

namespace gan {

namespace fs = std::filesystem;

void GrowingFile::begin(std::string_view content) {
  content_ = content;
  written_ = 0;
  if (content.empty()) {
    std::error_code error;
    fs::remove(path_, error);
  } else {
    write_whole_file(path_, content);
  }
  written_ = content.size();
}

void GrowingFile::flush() {
  if (content_.empty()) return;
  std::error_code error;
  const uintmax_t there = fs::file_size(path_, error);
  if (error || there < written_) {
    write_whole_file(path_, content_);
  } else if (written_ < content_.size()) {
    append();
  }
  written_ = content_.size();
}

void GrowingFile::append() {
  const auto require_written = [&](bool well, const std::string& reason) {
    if (!well) throw DataError(str(path_.string(), ": cannot write: ", reason));
  };
  // Whatever an earlier try left of its rows goes first, or they would be there twice.
  std::error_code error;
  fs::resize_file(path_, written_, error);
  require_written(!error, error.message());
  errno = 0;
  std::ofstream file(path_, std::ios::app | std::ios::binary);
  file << std::string_view(content_).substr(written_) << std::flush;
  require_written(file.good(), std::strerror(errno ? errno : EIO));
}

}  // namespace gan
