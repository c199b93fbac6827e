#include <catch2/catch.hpp>

#include "engine/atomic_file.h"
#include "engine/error.h"
#include "tests/temp_folder.h"

#ifndef _WIN32
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <csignal>
#endif

namespace gan {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;

TEST_CASE("A committed file holds what was written and leaves no temporary behind", "[files]") {
  const TempFolder folder;
  AtomicFile file(folder / "weights.bin");
  file.write("one ");
  file.write(std::string(100000, 'x'));
  file.write("", 0);
  REQUIRE_FALSE(fs::exists(folder / "weights.bin"));
  file.commit();
  REQUIRE(read_text(folder / "weights.bin") == "one " + std::string(100000, 'x'));
  REQUIRE(folder.entries() == 1);
}

TEST_CASE("Without a commit the old file stays as it was", "[files]") {
  const TempFolder folder;
  write_text(folder / "log.csv", "old");
  {
    AtomicFile file(folder / "log.csv");
    file.write("new");
    REQUIRE(folder.entries() == 2);
  }
  REQUIRE(read_text(folder / "log.csv") == "old");
  REQUIRE(folder.entries() == 1);
}

TEST_CASE("A commit replaces the old file", "[files]") {
  const TempFolder folder;
  write_text(folder / "log.csv", "something longer than the new content");
  AtomicFile file(folder / "log.csv");
  file.write("new");
  file.commit();
  REQUIRE(read_text(folder / "log.csv") == "new");
}

TEST_CASE("Two writers of one file do not disturb each other", "[files]") {
  const TempFolder folder;
  AtomicFile first(folder / "a"), second(folder / "a");
  first.write("first");
  second.write("second");
  second.commit();
  first.commit();
  REQUIRE(read_text(folder / "a") == "first");
  REQUIRE(folder.entries() == 1);
}

TEST_CASE("Any file name that is possible can be written", "[files]") {
  const TempFolder folder;
  for (const std::string& name :
       {std::string(255, 'n'), std::string("f\xc3\xbc nf \xe8\x8a\xb1.png"), std::string("-o")}) {
    AtomicFile file(folder / name);
    file.write(name);
    file.commit();
    REQUIRE(read_text(folder / name) == name);
  }
  REQUIRE(folder.entries() == 3);
}

TEST_CASE("A failure to open names the file and the reason", "[files]") {
  const TempFolder folder;
  REQUIRE_THROWS_WITH(AtomicFile(folder / "missing" / "a.png"),
                      Contains("missing") && Contains("a.png") && Contains("No such file"));
  REQUIRE_THROWS_AS(AtomicFile(folder / "missing" / "a.png"), DataError);
  REQUIRE_THROWS_WITH(AtomicFile(folder.path()), Contains("Is a directory"));
}

TEST_CASE("Using a file after its commit is a programming error", "[files]") {
  const TempFolder folder;
  AtomicFile file(folder / "a");
  file.commit();
  REQUIRE_THROWS_AS(file.write("more"), InternalError);
  REQUIRE_THROWS_AS(file.commit(), InternalError);
  REQUIRE(read_text(folder / "a").empty());
}

#ifndef _WIN32

TEST_CASE("A link stays a link and the file behind it is replaced", "[files]") {
  const TempFolder folder;
  write_text(folder / "real" / "best.bin", "old");
  fs::create_symlink(folder / "real" / "best.bin", folder / "link.bin");
  AtomicFile file(folder / "link.bin");
  file.write("new");
  file.commit();
  REQUIRE(fs::is_symlink(folder / "link.bin"));
  REQUIRE(read_text(folder / "real" / "best.bin") == "new");
}

TEST_CASE("A pipe is written to, never replaced", "[files]") {
  const TempFolder folder;
  const fs::path pipe = folder / "pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  const int reader = open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  AtomicFile file(pipe);
  file.write("through");
  file.commit();
  char received[16] = {};
  REQUIRE(read(reader, received, sizeof(received)) == 7);
  close(reader);
  REQUIRE(std::string(received) == "through");
  REQUIRE(fs::is_fifo(pipe));
  REQUIRE(folder.entries() == 1);
}

TEST_CASE("A full disk is noticed", "[files]") {
  const TempFolder folder;
  const fs::path full = full_device(folder);
  if (full.empty()) {
    WARN("skipped: no device that is always full");
    return;
  }
  AtomicFile small(full);
  small.write("x");  // fits into the buffer, so the commit finds out
  REQUIRE_THROWS_WITH(small.commit(), Contains("full: cannot write: No space left on device"));
  AtomicFile large(full);
  REQUIRE_THROWS_AS(large.write(std::string(1 << 20, 'x')), DataError);
}

// Makes files end at `bytes` while it lives: the nearest thing to a full disk that a test can have.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &old_);
    rlimit limit = old_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit old_{};
  void (*handler_)(int);
};

TEST_CASE("When the disk fills up the old file survives and the temporary is removed", "[files]") {
  const TempFolder folder;
  write_text(folder / "last.bin", "old");
  for (const size_t size : {size_t{5000}, size_t{1} << 20}) {
    std::string message;
    {
      const FileSizeLimit limit(4096);
      try {
        AtomicFile file(folder / "last.bin");
        file.write(std::string(size, 'x'));
        file.commit();
      } catch (const DataError& error) {
        message = error.what();
      }
    }
    INFO(size);
    REQUIRE_THAT(message, Contains("last.bin: cannot write: File too large"));
    REQUIRE(read_text(folder / "last.bin") == "old");
    REQUIRE(folder.entries() == 1);
  }
}

#endif

}  // namespace
}  // namespace gan
