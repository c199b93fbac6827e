// Fuzz target: a weights file, read as gan_colorize does.
#include "kernels/device.h"
#include "model/weights.h"
#include "tests/fuzz/input_file.h"

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
