#include "engine/atomic_file.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>

#ifdef _WIN32
#include <io.h>
#include <process.h>
#else
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
  // The name does not contain the target's, which may already be as long as a name can be. A crash
  // may have left such a name behind, so taken ones are passed over.
  do {
    temporary_ = target_.parent_path() / str(".gan-", process_id(), "-", ++counter, ".tmp");
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

void write_whole_file(const fs::path& target, std::string_view content) {
  AtomicFile file(target);
  file.write(content);
  file.commit();
}

}  // namespace gan
