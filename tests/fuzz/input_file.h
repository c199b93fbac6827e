// The fuzzer's bytes as a file, for readers that take a path.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>

#include "engine/error.h"

namespace gan {

struct InputFile {
  std::string path = (std::filesystem::temp_directory_path() /
                      str("gan-fuzz-", static_cast<long>(getpid()), ".bin"))
                         .string();
  ~InputFile() { std::remove(path.c_str()); }

  void fill(const uint8_t* data, size_t size) const {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    require(file && std::fwrite(data, 1, size, file) == size, "cannot write ", path);
    std::fclose(file);
  }
};

}  // namespace gan
