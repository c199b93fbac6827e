// Fuzz target: a pack of photos, read as gan_train does.
#include "tests/fuzz/input_file.h"
#include "train/data/photo_pack.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gan;
  static const InputFile file;
  file.fill(data, size);
  try {
    read_photo_pack(file.path, 2);
  } catch (const DataError&) {
    // What it should say to nearly all of them.
  }
  return 0;
}
