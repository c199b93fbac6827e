#include "tests/run_tests.h"

int main(int argc, char** argv) {
  return gan::testing::run_tests(argc, argv);
}
