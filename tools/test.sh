#!/usr/bin/env bash
# test.sh: from a fresh clone to green tests: packages, build with warnings as errors, all tests, then
# the unit tests once more under AddressSanitizer and UndefinedBehaviorSanitizer.
set -euo pipefail
cd "$(dirname "$0")/.."

bash tools/packages.sh --tests

build_and_test() { # FOLDER CTEST-ARGUMENTS... -- CMAKE-ARGUMENTS...
  local folder=$1 ctest_arguments=()
  shift
  while [ "$1" != -- ]; do
    ctest_arguments+=("$1")
    shift
  done
  shift
  cmake -S . -B "$folder" -G Ninja -DGAN_WERROR=ON "$@"
  cmake --build "$folder" --parallel "$(nproc)"
  ctest --test-dir "$folder" --output-on-failure --no-tests=error "${ctest_arguments[@]}"
}

build_and_test build-tests --
build_and_test build-asan --label-regex unit -- -DGAN_SANITIZE=address -DCMAKE_BUILD_TYPE=RelWithDebInfo
