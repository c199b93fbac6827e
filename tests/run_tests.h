// All tests of a program, for a main() of its own.
#pragma once

namespace gan::testing {

// Runs the tests that the command line names, as Catch2 does; the exit code.
int run_tests(int argc, char** argv);

}  // namespace gan::testing
