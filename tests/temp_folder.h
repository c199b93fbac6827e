// A folder for the files of one test.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <system_error>

#ifndef _WIN32
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#endif

#include "engine/error.h"

namespace gan {

// Made empty under the system's folder for temporary files, removed with all that is in it.
class TempFolder {
 public:
  TempFolder() {
    static std::atomic<int> counter{0};
    path_ = std::filesystem::temp_directory_path() /
            str("gan-test-", std::random_device()(), "-", ++counter);
    std::filesystem::create_directories(path_);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::filesystem::path& name) const { return path_ / name; }

  // How many files and folders lie directly in it.
  int64_t entries() const {
    return std::distance(std::filesystem::directory_iterator(path_),
                         std::filesystem::directory_iterator());
  }

 private:
  std::filesystem::path path_;
};

inline void write_text(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary)
      .write(text.data(), static_cast<std::streamsize>(text.size()));
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

#ifndef _WIN32
// A device that is always full; empty where there is none. Whoever may replace the system's own
// device gets another one within `folder`: a test that goes wrong must not harm the machine.
inline std::filesystem::path full_device(const TempFolder& folder) {
  std::filesystem::path device = "/dev/full";
  if (access("/dev", W_OK) == 0) {
    device = folder / "full";
    if (mknod(device.c_str(), S_IFCHR | 0600, makedev(1, 7)) != 0) return {};
  }
  return access(device.c_str(), W_OK) == 0 ? device : std::filesystem::path();
}
#endif

}  // namespace gan
