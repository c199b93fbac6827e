#!/usr/bin/env bash
# gpu_check.sh OUT [PHOTOS] [--dry-run] [--build DIR] [--prefix DIR] [--arch LIST] [--jobs N] [--minutes N]
#
# Proves the GPU engine on the GPU of this machine, in one command: builds it, runs every GPU test, the
# sanitizers, the benchmarks, PyTorch beside them where python3 has it, and a timed training on PHOTOS
# (rendered flowers without them). A part that fails or takes too long does not stop the others. Logs and
# JSON go to OUT, a table comes last.
#
#   --dry-run    builds everything, runs what needs no GPU, and counts the rest as skipped
#   --build DIR  where to build (OUT/build)
#   --prefix DIR where header-only libraries lie, and others that CMake does not find by itself
#   --arch LIST  CUDA architectures to build for (the GPU's own)
#   --jobs N     compilers at a time (all cores)
#   --minutes N  for everything together (8.8)
#
# Exit code: 0 all passed, or a dry run without a failure; 1 some failed; 2 wrong usage; 4 no GPU.
set -uo pipefail

usage() {
  echo "gpu_check.sh: $1; usage: gpu_check.sh OUT [PHOTOS] [--dry-run] [--build DIR] [--prefix DIR] [--arch LIST] [--jobs N] [--minutes N]" >&2
  exit 2
}

out='' photos='' dry_run=no build='' prefix='' arch='' jobs=$(nproc) minutes=8.8
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry_run=yes ;;
    --build | --prefix | --arch | --jobs | --minutes)
      [ $# -ge 2 ] || usage "$1 wants a value"
      declare "${1#--}=$2"
      shift
      ;;
    --help)
      sed -n '2,/^set -uo/{/^set -uo/d;s/^# \{0,1\}//;p}' "$0"
      exit 0
      ;;
    -*) usage "unknown option $1" ;;
    *)
      if [ -z "$out" ]; then
        out=$1
      elif [ -z "$photos" ]; then
        photos=$1
      else
        usage "unexpected argument $1"
      fi
      ;;
  esac
  shift
done
[ -n "$out" ] || usage "OUT is missing"
[[ $jobs =~ ^[1-9][0-9]*$ ]] || usage "--jobs $jobs is no number"
[[ $minutes =~ ^[0-9]+([.][0-9]+)?$ ]] || usage "--minutes $minutes is no number"
[ -z "$photos" ] || [ -d "$photos" ] || usage "$photos is no folder"
mkdir -p "$out" || exit 3
out=$(cd "$out" && pwd)
[ -z "$photos" ] || photos=$(cd "$photos" && pwd)
build=${build:-$out/build}
root=$(cd "$(dirname "$0")/.." && pwd)
bin=$build/bin

gpu=$(nvidia-smi --query-gpu=name,compute_cap,driver_version --format=csv,noheader 2>/dev/null | head -1)
skip=''
[ -n "$gpu" ] || skip='no GPU'
[ "$dry_run" = no ] || skip=${skip:-'dry run'}
if [ -z "$gpu" ] && [ "$dry_run" = no ]; then
  echo "gpu_check.sh: nvidia-smi shows no GPU; --dry-run rehearses without one" >&2
  exit 4
fi
if [ -z "$arch" ]; then
  arch=$(cut -d, -f2 <<<"$gpu" | tr -d ' .')
  [ "$arch" = 90 ] && arch=90a
  arch=${arch:-90a}-real
fi
if [ -z "${CUDACXX:-}" ]; then
  CUDACXX=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
  export CUDACXX
fi
PATH=$PATH:$(dirname "$CUDACXX")  # compute-sanitizer lies beside nvcc

deadline=$(awk -v m="$minutes" 'BEGIN { print int(m * 60) }')
SECONDS=0
passed=0 failed=0 skipped=0 results=()

note() { # NAME VERDICT SECONDS TEXT
  results+=("$1|$2|$3|$4")
  printf '%-28s %-9s %4s s  %s\n' "$1" "$2" "$3" "$4"
}

# part NAME SECONDS COMMAND...: runs it, its output in OUT/NAME.log. gpu_part is for what needs a GPU.
part() {
  local name=$1 limit=$2 start=$SECONDS code verdict text
  shift 2
  local left=$((deadline - SECONDS))
  [ "$left" -lt "$limit" ] && limit=$left
  if [ "$limit" -le 0 ]; then
    failed=$((failed + 1))
    note "$name" FAILED 0 "no time left of $minutes minutes"
    return 1
  fi
  timeout --kill-after=5 "$limit" "$@" >"$out/$name.log" 2>&1
  code=$?
  text=$(grep -v '^ *$' "$out/$name.log" | tail -1 | cut -c1-110)
  if [ "$code" = 0 ]; then
    verdict=ok
    passed=$((passed + 1))
  elif [ "$code" = 77 ]; then
    verdict=skipped
    skipped=$((skipped + 1))
  else
    verdict=FAILED
    failed=$((failed + 1))
    [ "$code" = 124 ] && text="more than $limit s"
  fi
  note "$name" "$verdict" $((SECONDS - start)) "$text"
  [ "$code" = 0 ]
}
gpu_part() {
  if [ -n "$skip" ]; then
    skipped=$((skipped + 1))
    note "$1" skipped 0 "skipped: $skip"
    return 0
  fi
  part "$@"
}

write_summary() {
  local separator='' entry name verdict seconds text
  {
    printf '{\n  "gpu": "%s",\n  "commit": "%s",\n  "architectures": "%s",\n' "${gpu:-none}" \
      "$(git -C "$root" describe --always --dirty 2>/dev/null)" "$arch"
    printf '  "passed": %d, "failed": %d, "skipped": %d,\n  "parts": [' "$passed" "$failed" "$skipped"
    for entry in "${results[@]}"; do
      IFS='|' read -r name verdict seconds text <<<"$entry"
      text=$(tr -d '\000-\037' <<<"$text" | sed 's/[\\"]/\\&/g')
      printf '%s\n    {"name": "%s", "verdict": "%s", "seconds": %d, "note": "%s"}' "$separator" "$name" \
        "$verdict" "$seconds" "$text"
      separator=,
    done
    printf '\n  ]\n}\n'
  } >"$out/summary.json"
}

echo "GPU: ${gpu:-none}; building for $arch with $jobs jobs in $build"

# --- Build. Without it there is nothing to check.
# A limit of its own: a rehearsal on a small machine may take an hour.
build_limit=300
[ "$dry_run" = no ] || { build_limit=7200 deadline=14400; }
configure=(cmake -S "$root" -B "$build" -DGAN_CUDA=ON "-DCMAKE_CUDA_ARCHITECTURES=$arch")
[ -f "$build/CMakeCache.txt" ] || ! command -v ninja >/dev/null || configure+=(-G Ninja)
[ -z "$prefix" ] || configure+=("-DCMAKE_PREFIX_PATH=$prefix")
if ! part configure 60 "${configure[@]}" ||
  ! part build "$build_limit" cmake --build "$build" --parallel "$jobs" --target gpu_check; then
  tail -30 "$out/configure.log" "$out/build.log" 2>/dev/null
  write_summary
  exit 1
fi

# --- What needs no GPU: without one, programs say so.
if [ -z "$gpu" ]; then
  no_gpu_is_said() {
    "$bin/gan_bench" --device gpu
    [ $? = 4 ] || return 1
    "$bin/gan_bench" --level network --width 4 --seconds 0.01 2>&1 | grep 'no GPU can be used'
  }
  export -f no_gpu_is_said
  export bin
  part programs-without-gpu 300 bash -c no_gpu_is_said
fi

# --- Right?
golden=$root/tests/fixtures/golden_w4_b2.safetensors
[ ! -x "$bin/cudnn_tests" ] || part cudnn-descriptions 30 "$bin/cudnn_tests"
gpu_part wrapper-conformance 30 "$bin/gpu_conformance"
gpu_part kernels-small 60 "$bin/gpu_tests" small
gpu_part kernels-network 60 "$bin/gpu_tests" network
for precision in f32 tf32 bf16; do
  gpu_part "parity-$precision" 20 "$bin/gpu_parity" "$precision" "$golden"
done
gpu_part training-agreement 60 "$bin/gpu_training"
for tool in memcheck racecheck initcheck; do
  if ! command -v compute-sanitizer >/dev/null; then
    skipped=$((skipped + 1))
    note "sanitizer-$tool" skipped 0 'skipped: no compute-sanitizer'
    continue
  fi
  gpu_part "sanitizer-$tool" 40 compute-sanitizer --tool "$tool" --error-exitcode 9 "$bin/gpu_training" '[smallest],[step]'
done

# --- Fast?
for batch in 16 64 256; do
  gpu_part "bench-bf16-$batch" 25 "$bin/gan_bench" --device gpu --precision bf16 --batch-size "$batch" \
    --seconds 1 --json "$out/bench-bf16-$batch.json"
done
gpu_part bench-bf16-1 15 "$bin/gan_bench" --device gpu --precision bf16 --batch-size 1 --level network \
  --seconds 1 --json "$out/bench-bf16-1.json"
for precision in fp32 tf32; do
  gpu_part "bench-$precision-64" 25 "$bin/gan_bench" --device gpu --precision "$precision" --batch-size 64 \
    --seconds 1 --json "$out/bench-$precision-64.json"
done
for backend in cuda cudnn; do
  gpu_part "bench-$backend-64" 25 "$bin/gan_bench" --device gpu --backend "$backend" --precision bf16 \
    --batch-size 64 --seconds 1 --json "$out/bench-$backend-64.json"
done
if [ -z "$skip" ] && ! python3 -c 'import torch' 2>/dev/null; then
  skipped=$((skipped + 1))
  note pytorch skipped 0 'skipped: python3 has no torch'
else
  gpu_part pytorch 120 python3 "$root/tests/peers/torch_gpu.py" --json "$out/pytorch.json" --time-limit 110
fi

# --- Useful?
train_on=$photos
if [ -z "$train_on" ]; then
  train_on=$out/flowers
  [ -d "$train_on" ] || gpu_part render-flowers 40 "$bin/gan_flowers" "$train_on" --count 600
fi
if gpu_part training 75 "$bin/gan_train" "$train_on" --out "$out/run" --force --device gpu --precision bf16 \
  --epochs 100000 --time-limit 0.75 --quiet; then
  gpu_part held-out-metrics 30 "$bin/gan_eval" "$out/run/weights.bin" "$train_on" --split validation --device gpu --quiet
fi

write_summary
echo
echo "part                         verdict    time  note"
for entry in "${results[@]}"; do
  IFS='|' read -r name verdict seconds text <<<"$entry"
  printf '%-28s %-9s %4s s  %s\n' "$name" "$verdict" "$seconds" "$text"
done
echo "$passed passed, $failed failed, $skipped skipped, $SECONDS s; logs and JSON in $out"
[ "$failed" = 0 ]
