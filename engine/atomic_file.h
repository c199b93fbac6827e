// Files that appear complete or not at all.
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <vector>

namespace gan {

// Writes a file under a temporary name in the target's folder; commit() gives it its real name.
// Until then the old content of the target stays, and without a commit the temporary is removed.
// A full disk or any other failure throws DataError naming the target and the reason.
//
// A target that is a symbolic link stays one: the file it points to is replaced. A target that is a
// device or a pipe (/dev/stdout) cannot be replaced, so it is written to directly.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& target);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }

  // Flushes to the disk and renames. Nothing can be written afterwards.
  void commit();

 private:
  void open_temporary();
  // Removes the temporary and throws what `error`, an errno value, means.
  [[noreturn]] void fail(int error);
  void discard() noexcept;

  std::filesystem::path named_;      // as the caller calls it, for messages
  std::filesystem::path target_;     // after following links
  std::filesystem::path temporary_;  // empty: writing to the target directly
  std::FILE* file_ = nullptr;
};

// What lies in a folder ("" is the current one), in no order; of one that cannot be read, what could be.
std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder);

// Removes the temporaries that programs which were killed on this machine left in a folder. Those of
// programs that run, or ran elsewhere, stay. Never fails.
void remove_abandoned_temporaries(const std::filesystem::path& folder) noexcept;

// A file with this content, through AtomicFile.
void write_whole_file(const std::filesystem::path& target, std::string_view content);

}  // namespace gan
