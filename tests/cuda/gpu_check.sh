#!/usr/bin/env bash
# gpu_check.sh CHECK: what tools/gpu_check.sh (CHECK) makes of programs that say that there is no GPU, of
# one that does not, and of wrong arguments; the programs are stand-ins. Exit code 77: there is a GPU.
set -uo pipefail
check=$1
if nvidia-smi >/dev/null 2>&1; then
  echo "skipped: this machine has a GPU"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/build/bin"

program() { # NAME COMMANDS
  printf '#!/usr/bin/env bash\n%s\n' "$2" >"$folder/build/bin/$1"
  chmod +x "$folder/build/bin/$1"
}
# shellcheck disable=SC2016  # for the stand-ins to expand
no_gpu='echo "no GPU can be used: \"quoted\" reason"; case " $* " in *" --device gpu "*) exit 4 ;; esac'
for name in gan_bench gan_train gan_eval gpu_parity; do program "$name" "$no_gpu"; done
program gpu_parity 'exit 4'
for name in gpu_conformance gpu_tests gpu_training; do program "$name" 'echo "skipped: no GPU"; exit 77'; done
# shellcheck disable=SC2016
program gan_flowers 'mkdir -p "$1"'

expect() { # EXIT-CODE TEXT ARGUMENTS...
  local output code
  output=$(bash "$check" "${@:3}" 2>&1)
  code=$?
  if [ "$code" != "$1" ] || ! grep -q -- "$2" <<<"$output"; then
    printf 'gpu_check.sh %s: exit code %s, wanted %s and "%s":\n%s\n' "${*:3}" "$code" "$1" "$2" "$output"
    exit 1
  fi
}
rehearse=(--dry-run --no-build --build "$folder/build")
expect 2 'OUT is missing'
expect 2 'unknown option' "$folder/out" --fast
expect 2 'wants programs' "$folder/out" --no-build
expect 4 'no GPU' "$folder/out" --no-build --build "$folder/build"
expect 0 '^2 passed, 0 failed, 2[0-9] skipped' "$folder/out" "${rehearse[@]}"
grep -q '"skipped": 2' "$folder/out/summary.json" || exit 1
tar -tzf "$folder/out/results.tgz" | grep -q summary.json || exit 1
expect 0 '^0 passed, 0 failed, 3 skipped' "$folder/only" "${rehearse[@]}" --only 'parity-*'
# A part that does not notice that there is no GPU, one that does not know its arguments, one that is missing.
program gpu_training 'exit 0'
program gpu_parity 'exit 2'
rm "$folder/build/bin/gan_eval"
expect 1 '^2 passed, 5 failed' "$folder/wrong" "${rehearse[@]}"
echo "all as expected"
