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
expect 0 '^2 passed, 0 failed, 3[0-9] skipped' "$folder/out" "${rehearse[@]}"
has() { # TEXT WHAT CONTENTS
  grep -q -- "$1" <<<"$3" && return
  printf '%s has no "%s":\n%s\n' "$2" "$1" "$3"
  exit 1
}
has '"skipped": 3' summary.json "$(<"$folder/out/summary.json")"
has summary.json results.tgz "$(tar -tzf "$folder/out/results.tgz")"
expect 0 '^0 passed, 0 failed, 3 skipped' "$folder/only" "${rehearse[@]}" --only 'parity-*'
# A part that does not notice that there is no GPU, one that does not know its arguments, one that is missing.
program gpu_training 'exit 0'
program gpu_parity 'exit 2'
rm "$folder/build/bin/gan_eval"
expect 1 '^2 passed, 6 failed' "$folder/wrong" "${rehearse[@]}"

# What becomes of a profiler's numbers.
cat >"$folder/ncu.csv" <<'EOF'
==PROF== Connected to process 7 (gan_bench)
"ID","Process ID","Kernel Name","Section Name","Metric Name","Metric Unit","Metric Value"
"0","7","void gan::cuda::<unnamed>::apply_kernel<gan::bf16, (int)8>(Rows<const T1>, long)","m","gpu__time_duration.sum","ns","3,000"
"0","7","void gan::cuda::<unnamed>::apply_kernel<gan::bf16, (int)8>(Rows<const T1>, long)","m","dram__bytes_read.sum","byte","6,000,000"
"0","7","void gan::cuda::<unnamed>::apply_kernel<gan::bf16, (int)8>(Rows<const T1>, long)","m","dram__bytes_write.sum","byte","3000000"
"1","7","void gan::cuda::<unnamed>::apply_kernel<gan::bf16, (int)8>(Rows<const T1>, long)","m","gpu__time_duration.sum","us","1"
"1","7","void gan::cuda::<unnamed>::apply_kernel<gan::bf16, (int)8>(Rows<const T1>, long)","m","dram__bytes_read.sum","byte","3,000,000"
"2","7","sm90_xmma_fprop","m","gpu__time_duration.sum","ns","1000"
"2","7","sm90_xmma_fprop","m","dram__bytes_read.sum","byte","0"
EOF
times=$(dirname "$check")/kernel_times.awk
sums=$(awk -f "$times" "$folder/ncu.csv") || exit 1
for line in '4[.]0 *80[.]0% *2 *12[.]0 *3000 *apply_kernel<bf16, 8>' '1[.]0 *20[.]0% *1 *0[.]0 *0 *sm90_xmma_fprop' \
  '3 kernels of 2 kinds, 0[.]005 ms; most of it, 80%: apply_kernel<bf16, 8>'; do
  has "$line" kernel_times.awk "$sums"
done
if awk -f "$times" /dev/null >/dev/null; then
  echo "kernel_times.awk: no kernels are no error"
  exit 1
fi
echo "all as expected"
