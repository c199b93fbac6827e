#!/usr/bin/env bash
# test.sh [--sanitize]: from a fresh clone to green tests: packages, build with warnings as errors, all
# tests, a minute of fuzzing. With --sanitize the unit tests run twice more: under AddressSanitizer with
# UndefinedBehaviorSanitizer, and under ThreadSanitizer with the engine's own threads in OpenMP's place.
set -euo pipefail
cd "$(dirname "$0")/.."

sanitize=no
if [ "${1:-}" = --sanitize ]; then
  sanitize=yes
elif [ -n "${1:-}" ]; then
  echo "test.sh: unknown argument $1; the only one is --sanitize" >&2
  exit 2
fi

bash tools/packages.sh --tests

# Threads that wait should sleep: on a busy machine, spinning ones take the cores from those at work.
export OMP_WAIT_POLICY=passive

# The fuzz targets, 20 seconds each, where clang is.
fuzz() {
  if ! command -v clang++ >/dev/null; then
    echo "test.sh: no clang++, so nothing is fuzzed"
    return
  fi
  cmake -S . -B build-fuzz -G Ninja -DGAN_FUZZ=ON -DCMAKE_CXX_COMPILER=clang++ \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo
  cmake --build build-fuzz --parallel "$(nproc)" --target fuzz_targets
  ctest --test-dir build-fuzz --parallel "$(nproc)" --output-on-failure --no-tests=error --label-regex fuzz
}

build_and_test() { # FOLDER TARGET CMAKE-ARGUMENTS... [-- CTEST-ARGUMENTS...]
  local folder=$1 target=$2 cmake_arguments=()
  shift 2
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    cmake_arguments+=("$1")
    shift
  done
  [ $# -eq 0 ] || shift
  cmake -S . -B "$folder" -G Ninja -DGAN_WERROR=ON "${cmake_arguments[@]}"
  cmake --build "$folder" --parallel "$(nproc)" --target "$target"
  "${launcher[@]}" ctest --test-dir "$folder" --parallel "$(nproc)" --output-on-failure --no-tests=error "$@"
}
launcher=()

if [ "$sanitize" = yes ]; then
  build_and_test build-asan unit_tests -DGAN_SANITIZE=address -DCMAKE_BUILD_TYPE=RelWithDebInfo -- --label-regex unit
  # ThreadSanitizer wants to know where memory lies, which addresses drawn at random keep from it.
  launcher=(setarch "$(uname -m)" -R)
  build_and_test build-tsan unit_tests -DGAN_SANITIZE=thread -DCMAKE_BUILD_TYPE=RelWithDebInfo -- --label-regex unit
  launcher=()
fi
build_and_test build-tests all
fuzz
