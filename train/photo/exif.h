// The few facts of EXIF that matter here: which way is up, and when the photo was taken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace gan {

struct ExifFacts {
  int orientation = 1;  // 1 to 8, EXIF 2.3 tag 0x0112; 1 when missing or out of range
  std::string date;     // DateTimeOriginal, 19 characters; empty when missing or malformed
};

// `bytes` begin with the TIFF header, "II" or "MM", as in a PNG's eXIf chunk, or with "Exif\0\0"
// before it, as in a JPEG. Never fails: damaged EXIF has no facts.
ExifFacts read_exif(const uint8_t* bytes, size_t count);

// EXIF that says when the photo was taken, and nothing else (upright is the default). Begins with
// the TIFF header. Empty when the date is, or where the build cannot write EXIF.
std::vector<uint8_t> make_exif(const std::string& date);

}  // namespace gan
