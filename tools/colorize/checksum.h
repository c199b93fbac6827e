// Which file it was, for good.
#pragma once

#include <string>

namespace gan {

// The SHA-256 of a file (FIPS 180-4) in 64 hexadecimal digits; empty where this build has no library
// for it. Throws DataError when the file cannot be read.
std::string sha256_of_file(const std::string& path);

}  // namespace gan
