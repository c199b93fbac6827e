#!/usr/bin/env bash
# gpu_check.sh OUT [PHOTOS] [--dry-run] [--build DIR] [--no-build] [--prefix DIR] [--cudnn DIR]
#              [--arch LIST] [--only PARTS] [--jobs N] [--minutes N]
#
# Proves the GPU engine on the GPU of this machine, in one command: builds it, runs every GPU test, the
# sanitizers, the benchmarks, PyTorch beside them where python3 has it, and a timed training on PHOTOS
# (rendered flowers without them). A part that fails or takes too long does not stop the others. Logs and
# JSON go to OUT and, packed, to OUT/results.tgz; a table comes last.
#
#   --dry-run    rehearses: builds everything and runs every part; without a GPU each that needs one has
#                to say so, and is counted as skipped
#   --build DIR  where to build (OUT/build)
#   --no-build   takes the programs in --build as they are, built on another machine, say
#   --prefix DIR where header-only libraries lie, and others that CMake does not find by itself
#   --cudnn DIR  where cuDNN lies (where CMake looks, or else where python3 has it)
#   --arch LIST  CUDA architectures to build for (the GPU's own)
#   --only PARTS runs nothing but these parts, by the names in the table: bench-*, say
#   --jobs N     compilers at a time (all cores)
#   --minutes N  for everything together (8.8)
#
# Needs a C++20 compiler, CMake, the CUDA toolkit and four header-only libraries, nlohmann-json, CLI11, stb
# and Catch2 2: copies of their folders in DIR/include (--prefix) will do.
#
# Exit code: 0 all passed, or a dry run without a failure; 1 some failed; 2 wrong usage; 4 no GPU.
set -uo pipefail

usage() {
  echo "gpu_check.sh: $1; usage: gpu_check.sh OUT [PHOTOS] [--dry-run] [--build DIR] [--no-build] [--prefix DIR] [--cudnn DIR] [--arch LIST] [--only PARTS] [--jobs N] [--minutes N]" >&2
  exit 2
}

out='' photos='' dry_run=no build='' no_build=no prefix='' cudnn='' arch='' only='*' jobs=$(nproc) minutes=8.8
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry_run=yes ;;
    --no-build) no_build=yes ;;
    --build | --prefix | --cudnn | --arch | --only | --jobs | --minutes)
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
[ "$no_build" = no ] || [ -x "${build:-$out/build}/bin/gan_train" ] || usage "--no-build wants programs in --build"
mkdir -p "$out" || exit 3
out=$(cd "$out" && pwd)
[ -z "$photos" ] || photos=$(cd "$photos" && pwd)
build=${build:-$out/build}
mkdir -p "$build" || exit 3
build=$(cd "$build" && pwd)
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
if [ -z "$cudnn" ] && [ ! -f "$(dirname "$(realpath "$CUDACXX")")/../include/cudnn.h" ]; then
  cudnn=$(python3 -c 'import nvidia.cudnn as c; print(next(iter(c.__path__)))' 2>/dev/null)
fi
# Programs built elsewhere do not know where this machine keeps it, nor cuBLAS beside it.
if [ -n "$cudnn" ]; then
  for folder in "$cudnn"/lib "$cudnn"/../{cublas,cuda_nvrtc,cu1[2-9]}/lib; do
    [ ! -d "$folder" ] || export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder"
  done
fi

deadline=$(awk -v m="$minutes" 'BEGIN { print int(m * 60) }')
SECONDS=0
passed=0 failed=0 skipped=0 results=()

count() { # NAME VERDICT SECONDS TEXT
  case $2 in
    ok) passed=$((passed + 1)) ;;
    skipped) skipped=$((skipped + 1)) ;;
    *) failed=$((failed + 1)) ;;
  esac
  results+=("$1|$2|$3|$4")
  printf '%-28s %-9s %4s s  %s\n' "$@"
}

# run NAME SECONDS COMMAND...: its output in OUT/NAME.log; sets code, text and took.
run() {
  local name=$1 limit=$2 left=$((deadline - SECONDS)) start=$SECONDS
  shift 2
  [ "$left" -lt "$limit" ] && limit=$left
  took=0 code=124 text="no time left of $minutes minutes"
  [ "$limit" -gt 0 ] || return
  timeout --kill-after=5 "$limit" "$@" >"$out/$name.log" 2>&1
  code=$?
  took=$((SECONDS - start))
  text=$(grep -v -e '^ *$' -e '^[0-9]* convolutions\? measured' "$out/$name.log" | tail -1 | cut -c1-110)
  [ "$code" != 124 ] || text="more than $limit s"
}

# Whether --only names this part; the build is always wanted.
wanted() {
  # shellcheck disable=SC2053  # it is a pattern
  [[ $1 == $only || $1 == configure || $1 == build ]]
}

# part NAME SECONDS COMMAND...
part() {
  wanted "$1" || return 0
  run "$@"
  case $code in
    0) count "$1" ok "$took" "$text" ;;
    77) count "$1" skipped "$took" "$text" ;;
    *) count "$1" FAILED "$took" "$text" ;;
  esac
  [ "$code" = 0 ]
}
# The same for what needs a GPU. Without one a rehearsal runs it, too: it has to understand its arguments
# and then to say that there is no GPU (exit code 4, or 77 of a test).
gpu_part() {
  wanted "$1" || return 0
  if [ -z "$skip" ]; then
    part "$@"
  elif [ -n "$gpu" ]; then
    count "$1" skipped 0 "skipped: $skip"
  else
    run "$@"
    case $code in
      4 | 77) count "$1" skipped "$took" "skipped: $skip" ;;
      *) count "$1" FAILED "$took" "without a GPU it exits with $code: $text" ;;
    esac
  fi
}
# tool_part TOOL NAME SECONDS COMMAND...: a GPU part that TOOL runs.
tool_part() {
  if command -v "$1" >/dev/null; then
    gpu_part "${@:2}"
  elif wanted "$2"; then
    count "$2" skipped 0 "skipped: no $1"
  fi
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
[ -z "$cudnn" ] || configure+=("-DGAN_CUDNN_ROOT=$cudnn")
if [ "$no_build" = no ]; then
  if ! part configure 60 "${configure[@]}" ||
    ! part build "$build_limit" cmake --build "$build" --parallel "$jobs" --target gpu_check; then
    tail -30 "$out/configure.log" "$out/build.log" 2>/dev/null
    ! grep -qE '(nlohmann-json|stb|CLI11|Catch2): NOT FOUND' "$out/configure.log" ||
      echo "gpu_check.sh: libraries are missing; copies of their folders in DIR/include will do: --prefix DIR"
    write_summary
    exit 1
  fi
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
if [ -x "$bin/cudnn_tests" ]; then
  part cudnn-descriptions 30 "$bin/cudnn_tests"
elif wanted cudnn-descriptions; then
  count cudnn-descriptions skipped 0 'skipped: built without cuDNN'
fi
gpu_part wrapper-conformance 30 "$bin/gpu_conformance"
gpu_part kernels-small 90 "$bin/gpu_tests" small
gpu_part kernels-network 90 "$bin/gpu_tests" network
gpu_part kernels-variants 90 "$bin/gpu_tests" variants
for precision in f32 tf32 bf16; do
  gpu_part "parity-$precision" 20 "$bin/gpu_parity" "$precision" "$golden"
done
gpu_part training-recorded 60 "$bin/gpu_training" '[smallest],[step]'
gpu_part training-agreement 100 "$bin/gpu_training" '[gpu]'
gpu_part kernels-cudnn 90 "$bin/gpu_tests" cudnn

# --- Fast? The steps that matter most come first, with their convolutions' times beside them.
bench() { # NAME SECONDS ARGUMENTS...
  gpu_part "bench-$1" "$2" "$bin/gan_bench" --device gpu --seconds 0.5 --json "$out/bench-$1.json" "${@:3}"
}
classic=(--level step --filter classic)
for batch in 64 16; do
  bench "step-bf16-$batch" 60 "${classic[@]}" --precision bf16 --batch-size "$batch"
done
# The same with operations side by side where their data allow it.
for batch in 16 64; do
  bench "step-data-$batch" 20 "${classic[@]}" --order data --precision bf16 --batch-size "$batch" --no-convolutions
done
for batch in 1 64; do
  bench "network-bf16-$batch" 40 --level network --precision bf16 --batch-size "$batch"
done
for backend in cuda cudnn; do
  bench "step-$backend-64" 20 "${classic[@]}" --backend "$backend" --precision bf16 --batch-size 64 --no-convolutions
done
bench step-bf16-256 40 "${classic[@]}" --precision bf16 --batch-size 256 --no-convolutions
for precision in tf32 fp32; do
  bench "step-$precision-64" 20 "${classic[@]}" --precision "$precision" --batch-size 64 --no-convolutions
done
bench stable-bf16-16 30 --level step --filter stable --precision bf16 --batch-size 16 --no-convolutions
bench stable-data-16 30 --level step --filter stable --order data --precision bf16 --batch-size 16 --no-convolutions
# Every convolution alone, with its share of what the device can do, cuDNN beside it; then the norms.
bench convolutions-bf16-64 45 --level op --filter conv --backend cuda --precision bf16 --batch-size 64
bench norms-bf16-64 25 --level op --filter batch_norm --backend cuda --precision bf16 --batch-size 64
tool_part python3 pytorch 120 python3 "$root/tests/peers/torch_gpu.py" --json "$out/pytorch.json" --time-limit 110

# --- Useful?
train_on=$photos weights=$out/run/weights.bin
if [ -z "$train_on" ]; then
  train_on=$out/flowers
  [ -d "$train_on" ] || part render-flowers 60 "$bin/gan_flowers" "$train_on" --count 600
fi
gpu_part training 75 "$bin/gan_train" "$train_on" --out "$out/run" --force --device gpu --precision bf16 \
  --epochs 100000 --time-limit 0.75 --quiet
[ -z "$skip" ] || weights=$root/data/weights/flowers.bin
gpu_part held-out-metrics 30 "$bin/gan_eval" "$weights" "$train_on" --split validation --device gpu

# --- Looked at more closely, so last. Every kernel of one step with its time and its bytes, which a profiler
# reads in one pass: more would have it restore gigabytes between passes. The clocks stay as they are.
kernel_times() { # CSV ARGUMENTS...
  local csv=$1 command
  command=("$bin/gan_bench" --device gpu --level step --filter classic --precision bf16 --profile "${@:2}")
  [ -n "$gpu" ] || exec "${command[@]}"
  rm -f "$csv"
  ncu --profile-from-start off --clock-control none --cache-control none \
    --metrics gpu__time_duration.sum,dram__bytes_read.sum,dram__bytes_write.sum \
    --print-units base --csv --log-file "$csv" "${command[@]}" || return
  awk -f "$root/tools/kernel_times.awk" "$csv"
}
export -f kernel_times
export bin gpu root
for batch in 64 16; do
  for backend in auto cuda; do
    name=kernel-times-$backend-$batch
    tool_part ncu "$name" 45 bash -c 'kernel_times "$@"' _ "$out/$name.csv" --backend "$backend" --batch-size "$batch"
  done
done
for tool in memcheck racecheck initcheck; do
  tool_part compute-sanitizer "sanitizer-$tool" 80 \
    compute-sanitizer --tool "$tool" --error-exitcode 9 "$bin/gpu_training" '[smallest],[step]'
done

write_summary
echo
echo "part                         verdict    time  note"
for entry in "${results[@]}"; do
  IFS='|' read -r name verdict seconds text <<<"$entry"
  printf '%-28s %-9s %4s s  %s\n' "$name" "$verdict" "$seconds" "$text"
done
(cd "$out" && find . -maxdepth 1 \( -name '*.log' -o -name '*.json' -o -name '*.csv' \) -print0 |
  tar -czf results.tgz --null --files-from -)
echo "$passed passed, $failed failed, $skipped skipped, $SECONDS s; logs and JSON in $out"
[ "$failed" = 0 ]
