// The tests of a program that needs a GPU. Exit code 77: skipped, there is none.
#include <iostream>

#include "engine/error.h"
#include "kernels/cuda/host.h"
#include "tests/run_tests.h"

int main(int argc, char** argv) {
  try {
    gan::gpu::use_device();
  } catch (const gan::DeviceError& error) {
    std::cout << "skipped: no GPU (" << error.what() << ")\n";
    return 77;
  }
  return gan::testing::run_tests(argc, argv);
}
