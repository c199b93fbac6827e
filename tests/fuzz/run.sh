#!/usr/bin/env bash
# run.sh PROGRAM NAME SECONDS [FOLDER]: fuzzes the target NAME (photo, exif, weights or pack) with PROGRAM, its
# build, for SECONDS. Starts from rendered inputs and from regressions/NAME. FOLDER keeps what it learns,
# and the input that made it fail; without one both are temporary.
set -euo pipefail
[ $# -ge 3 ] || { echo "usage: run.sh PROGRAM NAME SECONDS [FOLDER]" >&2; exit 2; }
program=$(realpath "$1") name=$2 seconds=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
folder=${4:-$work/learned}
seeds=$work/seeds
mkdir -p "$folder" "$seeds"

# weights HEADER DATA-BYTES: a safetensors file.
weights() {
  local length
  length=$(printf '%02x' ${#1})
  printf "\\x$length\\0\\0\\0\\0\\0\\0\\0%s" "$1"
  head -c "$2" /dev/zero
}

case $name in
  photo)
    "$here/../render_photos.sh" "$seeds"
    ;;
  exif)
    # Orientation 6 in the first directory, a date in the second; then the same the other way round.
    printf 'II*\0\x08\0\0\0\x02\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\x69\x87\x04\0\x01\0\0\0\x26\0\0\0\0\0\0\0\x01\0\x03\x90\x02\0\x14\0\0\0\x38\0\0\0\0\0\0\0002019:05:31 14:03:59\0' >"$seeds/intel"
    printf 'MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0' >"$seeds/motorola"
    printf 'Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0' >"$seeds/empty"
    ;;
  weights)
    weights '{"t":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}' 24 >"$seeds/tensor"
    weights '{"__metadata__":{"model":"gan","width":"4","color_head":"chroma64"},"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}' 2 >"$seeds/generator"
    cp "$here/../fixtures/demo_weights.safetensors" "$seeds/demo"
    ;;
  pack) ;; # regressions/pack holds a whole one
  *)
    echo "run.sh: there is no target $name" >&2
    exit 2
    ;;
esac

# A photo of the size that is let through needs far less; what takes 20 s is a finding, too.
"$program" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1000 -print_final_stats=1 \
  -artifact_prefix="$folder/" "$folder" "$seeds" "$here/regressions/$name" 2>&1 | tail -n 40
