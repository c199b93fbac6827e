// Fuzz target: what a camera wrote about a photo.
#include <cstddef>
#include <cstdint>

#include "engine/error.h"
#include "train/photo/exif.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gan;
  const ExifFacts facts = read_exif(data, size);
  require(facts.orientation >= 1 && facts.orientation <= 8, "orientation ", facts.orientation);
  if (facts.date.empty()) return 0;
  // What is read can be written, and read again.
  const std::vector<uint8_t> made = make_exif(facts.date);
  require(read_exif(made.data(), made.size()).date == facts.date, "the date changed");
  return 0;
}
