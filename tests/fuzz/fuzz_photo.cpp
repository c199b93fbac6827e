// Fuzz target: a photo file of any kind, decoded, turned upright, and encoded again with what it says
// about itself.
#include <cstddef>
#include <cstdint>

#include "engine/error.h"
#include "train/photo/codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gan;
  // Small enough for thousands of photos a second.
  PhotoLimits limits;
  limits.max_pixels = 1 << 18;
  try {
    const Photo photo = decode_photo_file({data, data + size}, "input", limits);
    require_valid(photo);
    if (photo.pixels() > 4096) return 0;
    EncodeOptions options;
    options.texts["Software"] = photo.kind;
    for (const codec::Codec* format : {&codec::png, &codec::jpeg, &codec::webp})
      if (format->encode) format->encode(photo, options);
  } catch (const DataError&) {
    // What it should say to nearly all of them. InternalError and memory that runs out are findings.
  }
  return 0;
}
