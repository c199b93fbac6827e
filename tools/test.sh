#!/usr/bin/env bash
# test.sh [--sanitize | --arm]: from a fresh clone to green tests: packages, build with warnings as errors, all
# tests, a minute of fuzzing. With --sanitize the unit tests run twice more: under AddressSanitizer with
# UndefinedBehaviorSanitizer, and under ThreadSanitizer with the engine's own threads in OpenMP's place. With
# --arm nothing but unit tests runs, built for 64-bit ARM without any photo library but stb, in an emulator.
set -euo pipefail
cd "$(dirname "$0")/.."

sanitize=no arm=no
case ${1:-} in
  '') ;;
  --sanitize) sanitize=yes ;;
  --arm) arm=yes ;;
  *)
    echo "test.sh: unknown argument $1; there are --sanitize and --arm" >&2
    exit 2
    ;;
esac

if [ "$arm" = yes ]; then
  bash tools/packages.sh --arm
else
  bash tools/packages.sh --tests
fi

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

if [ "$arm" = yes ]; then
  # Libraries that are nothing but headers, apart from those for this machine's own processor. Whole trainings
  # would take the emulator too long.
  prefix=$PWD/build-arm/prefix
  mkdir -p "$prefix/include"
  for library in stb CLI nlohmann catch2; do cp -rL "/usr/include/$library" "$prefix/include"; done
  build_and_test build-arm unit_tests -DCMAKE_TOOLCHAIN_FILE="$PWD/tools/cmake/Arm64.cmake" \
    -DCMAKE_PREFIX_PATH="$prefix" -- --label-regex unit --exclude-regex 'training_tests|stable_tests'
  exit
fi
if [ "$sanitize" = yes ]; then
  build_and_test build-asan unit_tests -DGAN_SANITIZE=address -DCMAKE_BUILD_TYPE=RelWithDebInfo -- --label-regex unit
  # ThreadSanitizer wants to know where memory lies, which addresses drawn at random keep from it.
  launcher=(setarch "$(uname -m)" -R)
  build_and_test build-tsan unit_tests -DGAN_SANITIZE=thread -DCMAKE_BUILD_TYPE=RelWithDebInfo -- --label-regex unit
  launcher=()
fi
build_and_test build-tests all
fuzz
