// Fuzz target: a weights file, read as gan_colorize does.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>

#include "engine/error.h"
#include "kernels/device.h"
#include "model/weights.h"

namespace {

// Readers take a path.
struct InputFile {
  std::string path = (std::filesystem::temp_directory_path() /
                      gan::str("gan-fuzz-", static_cast<long>(getpid()), ".bin"))
                         .string();
  ~InputFile() { std::remove(path.c_str()); }

  void fill(const uint8_t* data, size_t size) const {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    gan::require(file && std::fwrite(data, 1, size, file) == size, "cannot write ", path);
    std::fclose(file);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gan;
  static const InputFile file;
  static Device device = open_device({});
  file.fill(data, size);
  try {
    load_generator(file.path, device.memory);
  } catch (const DataError&) {
    // What it should say to nearly all of them.
  }
  return 0;
}
