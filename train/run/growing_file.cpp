#include "train/run/growing_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "engine/atomic_file.h"
#include "engine/error.h"

namespace gan {

namespace fs = std::filesystem;

void GrowingFile::begin(std::string_view content) {
  waiting_.clear();
  if (content.empty()) {
    std::error_code error;
    fs::remove(path_, error);
  } else {
    write_whole_file(path_, content);
  }
  good_bytes_ = content.size();
}

void GrowingFile::flush() {
  if (waiting_.empty()) return;
  errno = 0;
  std::error_code error;
  if (fs::exists(path_, error)) fs::resize_file(path_, good_bytes_, error);
  const auto how = good_bytes_ > 0 ? std::ios::app : std::ios::trunc;
  std::ofstream file(path_, how | std::ios::binary);
  file << waiting_ << std::flush;
  if (error || !file) {
    throw DataError(str(path_.string(), ": cannot write: ",
                        error ? error.message() : std::strerror(errno ? errno : EIO)));
  }
  good_bytes_ += waiting_.size();
  waiting_.clear();
}

}  // namespace gan
