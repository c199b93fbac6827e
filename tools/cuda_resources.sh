#!/usr/bin/env bash
# cuda_resources.sh [--check] [NVCC [ARCHITECTURE...]]: compiles every kernel with nvcc, one file at a
# time, and reads the compiler's resource report.
#
#   without --check   writes kernels/cuda/RESOURCES.md: registers and shared memory of every kernel
#                     on every architecture (default: all that cuda_kernels is built for)
#   with --check      writes nothing; fails when a kernel spills or keeps an array in local memory,
#                     when the compiler warns, or when a kernel is missing from the page (default:
#                     sm_80 and sm_90a). Register counts may differ: they depend on the compiler.
set -euo pipefail
cd "$(dirname "$0")/.."

check=no
if [ "${1:-}" = --check ]; then
  check=yes
  shift
fi
nvcc=${1:-nvcc}
[ $# -eq 0 ] || shift
if [ $# -gt 0 ]; then
  architectures=("$@")
elif [ "$check" = yes ]; then
  architectures=(80 90a)
else
  architectures=(80 86 89 90a 120)
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
targets=
for architecture in "${architectures[@]}"; do
  targets+=" --generate-code=arch=compute_$architecture,code=sm_$architecture"
done

# compile FILE: into FILE.log; what the compiler said, when it refuses.
compile() {
  local name
  name=$(basename "$1" .cu)
  # shellcheck disable=SC2086 # targets are several words
  if ! "$nvcc" -I. -O3 -DNDEBUG -std=c++20 --expt-relaxed-constexpr $targets \
    -Werror=all-warnings --resource-usage -c "$1" -o "$folder/$name.o" >"$folder/$name.log" 2>&1; then
    cat "$folder/$name.log"
    return 255 # xargs begins no more
  fi
}
export -f compile
export nvcc folder targets

# As many at a time as there are cores; the largest first, so that none is left over at the end.
# shellcheck disable=SC2011,SC2016 # names without spaces; the inner bash expands $1
ls -S kernels/cuda/*.cu | xargs -P "$(nproc)" -n 1 bash -c 'compile "$1"' compile || exit 1

# file, kernel, architecture, registers, static shared memory, stack, spilled bytes
table() {
  for report in "$folder"/*.log; do
    c++filt <"$report" | awk -v file="$(basename "$report" .log)" '
      /Compiling entry function/ {
        kernel = $0
        sub(/.*entry function \x27(void )?/, "", kernel)
        architecture = kernel
        sub(/.*\x27 for \x27/, "", architecture)
        sub(/\x27.*/, "", architecture)
        sub(/\x27 for \x27.*/, "", kernel)
        # the name and its template arguments, without namespaces and parameters
        gsub(/gan::cuda::\(anonymous namespace\)::|gan::cuda::|gan::gpu::|gan::/, "", kernel)
        depth = 0
        for (i = 1; i <= length(kernel); ++i) {
          c = substr(kernel, i, 1)
          if (c == "<") ++depth
          if (c == ">") --depth
          if (c == "(" && depth == 0) break
        }
        kernel = substr(kernel, 1, i - 1)
      }
      /bytes stack frame/ { stack = $1; spilled = $5 + $9 }
      /Used [0-9]+ registers/ {
        registers = $5
        shared = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART) + 0 : 0
        print file "\t" kernel "\t" architecture "\t" registers "\t" shared "\t" stack "\t" spilled
      }'
  done
}
table >"$folder/table"
if [ ! -s "$folder/table" ]; then
  echo "no kernel in $nvcc's resource report: has its form changed?"
  exit 1
fi

bad=$(awk -F '\t' '$6 > 0 || $7 > 0 {
  print $1 ".cu: " $2 " on " $3 ": " $6 " bytes of stack, " $7 " bytes spilled" }' "$folder/table")
if [ -n "$bad" ]; then
  echo "kernels that use local memory:"
  echo "$bad"
  exit 1
fi

# What a block of a convolution asks for when launched, which its tile fixes (GemmMemory, WgradMemory):
# the stages or the sums in their place, and conv_gemm's row table. Nothing for other kernels.
shared_memory() { # KERNEL
  sed -n 's/^conv_\(gemm\|wgrad\)<\(Bf16\|Fp32\|Tf32\|Wgmma\)Unit<Tile<\([^>]*\)>.*/\1 \2 \3/p' <<<"$1" | awk -F '[ ,]+' '
    function up(bytes) { return int((bytes + 127) / 128) * 128 }
    {
      stages = ($2 == "Bf16" || $2 == "Wgmma" ? 2 : 4) * ($3 + $4) * $5 * $6
      sums = 4 * $3 * ($4 + 8)
      print up(stages > sums ? stages : sums) + ($1 == "gemm" ? 3 * up(4 * $3) : 0)
    }'
}

names=$(cut -f 2 "$folder/table" | sort -u)
if [ "$check" = yes ]; then
  missing=$(grep -vxFf <(sed -n 's/^| `\(.*\)` | [0-9].*/\1/p' kernels/cuda/RESOURCES.md) <<<"$names" || true)
  if [ -n "$missing" ]; then
    echo "not in kernels/cuda/RESOURCES.md; run tools/cuda_resources.sh:"
    echo "$missing"
    exit 1
  fi
  echo "$(wc -l <"$folder/table") kernels compiled, no spills, no stack, no warnings"
  exit 0
fi

{
  echo "# What the kernels use"
  echo
  echo "Written by \`tools/cuda_resources.sh\` from nvcc's resource report"
  echo "($("$nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/release \1/p')): registers of a thread, per architecture. None of them spills,"
  echo "and none keeps an array in local memory; a test holds that. No kernel has static shared memory: the launchers ask"
  echo "for what is needed, which for tiled convolutions is a constant: the last column, in bytes of a block."
  file=
  while IFS=$'\t' read -r of kernel; do
    if [ "$of" != "$file" ]; then
      file=$of
      printf '\n## %s.cu\n\n| kernel |' "$of"
      printf ' %s |' "${architectures[@]/#/sm_}"
      printf ' shared |\n| --- |'
      printf ' --: |%.0s' "${architectures[@]}" shared
      printf '\n'
    fi
    printf '| `%s` |' "$kernel"
    for architecture in "${architectures[@]}"; do
      printf ' %s |' "$(awk -F '\t' -v k="$kernel" -v a="sm_$architecture" \
        '$2 == k && $3 == a { print $4 + 0 ($5 > 0 ? " (" $5 " B static)" : "") }' "$folder/table")"
    done
    printf ' %s |\n' "$(shared_memory "$kernel")"
  done < <(cut -f 1,2 "$folder/table" | sort -u)
} >kernels/cuda/RESOURCES.md
echo "wrote kernels/cuda/RESOURCES.md: $(wc -l <<<"$names") kernels"
