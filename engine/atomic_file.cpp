#include "engine/atomic_file.h"

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <system_error>

#ifdef _WIN32
#include <io.h>
#include <process.h>
#else
#include <signal.h>
#include <unistd.h>
#endif

#include "engine/error.h"

namespace gan {
namespace {

namespace fs = std::filesystem;

int process_id() {
#ifdef _WIN32
  return _getpid();
#else
  return static_cast<int>(getpid());
#endif
}

// Temporaries are called ".gan-HOST-PROCESS-NUMBER.tmp", so that it shows whether whoever wrote one
// still does. The host is a hash of its name: 8 digits.
std::string temporary_prefix() {
  char host[256] = {};
#ifndef _WIN32
  gethostname(host, sizeof(host) - 1);
#endif
  uint32_t hash = 2166136261u;  // FNV-1a
  for (const char c : std::string_view(host))
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  char digits[9];
  std::snprintf(digits, sizeof(digits), "%08x", hash);
  return str(".gan-", digits, "-");
}

bool is_running(int process) {
#ifdef _WIN32
  static_cast<void>(process);
  return true;
#else
  return kill(process, 0) == 0 || errno != ESRCH;
#endif
}

// Opens for writing; with `fresh`, only if there is no such file yet.
std::FILE* open_file(const fs::path& path, bool fresh) {
#ifdef _WIN32
  return _wfopen(path.c_str(), fresh ? L"wbx" : L"wb");
#else
  return std::fopen(path.c_str(), fresh ? "wbx" : "wb");
#endif
}

// Returns false and sets errno when the data could not be brought to the disk.
bool flush_to_disk(std::FILE* file) {
  if (std::fflush(file) != 0) return false;
#ifdef _WIN32
  return _commit(_fileno(file)) == 0;
#else
  // Devices and pipes have no disk behind them and say EINVAL.
  return fsync(fileno(file)) == 0 || errno == EINVAL || errno == ENOTSUP;
#endif
}

}  // namespace

AtomicFile::AtomicFile(const fs::path& target) : named_(target), target_(target) {
  std::error_code ignored;
  if (fs::is_symlink(target_, ignored)) {
    const fs::path resolved = fs::canonical(target_, ignored);
    if (!resolved.empty()) target_ = resolved;
  }
  if (fs::is_directory(target_, ignored)) fail(EISDIR);
  if (fs::exists(target_, ignored) && !fs::is_regular_file(target_, ignored)) {
    file_ = open_file(target_, false);
    if (!file_) fail(errno);
  } else {
    open_temporary();
  }
}

void AtomicFile::open_temporary() {
  static std::atomic<int> counter{0};
  static const std::string prefix = temporary_prefix();
  // The name does not contain the target's, which may already be as long as a name can be. A crash
  // may have left such a name behind, so taken ones are passed over.
  do {
    temporary_ = target_.parent_path() / str(prefix, process_id(), "-", ++counter, ".tmp");
    file_ = open_file(temporary_, true);
  } while (!file_ && errno == EEXIST);
  if (!file_) {
    const int error = errno;
    temporary_.clear();
    fail(error);
  }
}

AtomicFile::~AtomicFile() {
  discard();
}

void AtomicFile::discard() noexcept {
  if (file_) std::fclose(file_);
  file_ = nullptr;
  if (!temporary_.empty()) {
    std::error_code ignored;
    fs::remove(temporary_, ignored);
    temporary_.clear();
  }
}

void AtomicFile::fail(int error) {
  discard();
  throw DataError(str(named_.string(), ": cannot write: ", std::strerror(error)));
}

void AtomicFile::write(const void* data, size_t bytes) {
  require(file_ != nullptr, "write to a file that is already committed");
  if (bytes > 0 && std::fwrite(data, 1, bytes, file_) != bytes) fail(errno);
}

void AtomicFile::commit() {
  require(file_ != nullptr, "file committed twice");
  if (!flush_to_disk(file_)) fail(errno);
  const int closed = std::fclose(file_);
  file_ = nullptr;
  if (closed != 0) fail(errno);
  if (temporary_.empty()) return;
  std::error_code error;
  fs::rename(temporary_, target_, error);
  if (error) fail(error.value());
  temporary_.clear();
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  fs::directory_iterator it(folder.empty() ? fs::path(".") : folder, error);
  // A range-based loop would step on with the operator that throws.
  for (; !error && it != fs::directory_iterator(); it.increment(error)) found.push_back(it->path());
  return found;
}

void remove_abandoned_temporaries(const fs::path& folder) noexcept {
  try {
    const std::string prefix = temporary_prefix();
    for (const fs::path& path : files_in(folder)) {
      const std::string name = path.filename().string();
      if (!name.starts_with(prefix) || !name.ends_with(".tmp")) continue;
      int process = 0;
      const char* end = name.data() + name.size();
      const auto number = std::from_chars(name.data() + prefix.size(), end, process);
      if (number.ec != std::errc() || number.ptr == end || *number.ptr != '-') continue;
      std::error_code ignored;
      if (process > 0 && !is_running(process)) fs::remove(path, ignored);
    }
  } catch (const std::exception&) {  // no memory for a path: then they stay
  }
}

void write_whole_file(const fs::path& target, std::string_view content) {
  AtomicFile file(target);
  file.write(content);
  file.commit();
}

}  // namespace gan
