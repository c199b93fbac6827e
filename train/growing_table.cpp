#include "train/growing_table.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>

#include "engine/atomic_file.h"
#include "engine/error.h"

namespace gan {
namespace {

namespace fs = std::filesystem;

// Whether a line is a complete row up to this step, or the header.
bool belongs(const std::string& line, uint64_t last_step) {
  if (line.rfind("step,", 0) == 0) return true;
  uint64_t step = 0;
  const auto result = std::from_chars(line.data(), line.data() + line.size(), step);
  return result.ec == std::errc() && step <= last_step;
}

}  // namespace

void GrowingTable::begin(uint64_t last_step) {
  waiting_.clear();
  std::string kept;
  if (last_step > 0) {
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line) && !file.eof();) {  // a torn line ends the file
      if (belongs(line, last_step)) kept += line + "\n";
    }
  }
  std::error_code error;
  if (kept.empty()) {
    fs::remove(path_, error);
  } else {
    AtomicFile file(path_);
    file.write(kept);
    file.commit();
  }
  good_bytes_ = kept.size();
}

void GrowingTable::add(const std::string& header, uint64_t step, const std::string& cells) {
  if (good_bytes_ == 0 && waiting_.empty()) waiting_ = header + "\n";
  waiting_ += str(step, ",", cells, "\n");
}

void GrowingTable::flush() {
  if (waiting_.empty()) return;
  errno = 0;
  std::error_code error;
  if (fs::exists(path_, error)) fs::resize_file(path_, good_bytes_, error);
  std::ofstream file(path_, good_bytes_ > 0 ? std::ios::app : std::ios::trunc);
  file << waiting_ << std::flush;
  if (error || !file) {
    throw DataError(str(path_.string(), ": cannot write: ",
                        error ? error.message() : std::strerror(errno ? errno : EIO)));
  }
  good_bytes_ += waiting_.size();
  waiting_.clear();
}

}  // namespace gan
