#!/usr/bin/env bash
# reproduce_original.sh [options] DATA OUT [MINUTES]: the original project's comparison, done again. Trains every
# model that the original tried, each with its own loss and all on the same budget, and measures them on photos that none
# was trained on, beside these photos left gray and the original's surviving weights. Writes OUT/index.html - the same
# photos coloured by each, metrics, curves, the discriminators' accuracy - and OUT/original.json with all numbers.
#
#   DATA            folder of colour photos, or a pack of them
#   OUT             where the runs and the page go. What is finished there is not done again
#   MINUTES         of training for each model (30)
#   --original FILE the original's surviving weights (model demo); without them the page lacks their row
#   --width N       base width of gan, autoencoder9-skip and unet (32)
#   --held-out X    share of the photos not trained on (0.1). More makes epochs shorter, for small budgets; measured are
#                   the same photos in any case, those of 0.1
#   --models A,B    only these, of: autoencoder5 autoencoder7 autoencoder7-leaky autoencoder9-skip unet demo gan
#   --photos N      how many photos the page shows (6)
#   --threads N     of every program (0: all cores)
#   --seed N        of all models (1)
#   --bin DIR       where the programs are (build/bin)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

usage() {
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
}
die() {
  echo "reproduce_original.sh: $1" >&2
  exit "${2:-2}"
}

all_models=(autoencoder5 autoencoder7 autoencoder7-leaky autoencoder9-skip unet demo gan)

original="" width=32 held_out=0.1 wanted="" photos=6 threads=0 seed=1 bin=$root/build/bin positional=()
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage && exit 0 ;;
    --original | --width | --held-out | --models | --photos | --threads | --seed | --bin)
      [ $# -ge 2 ] || die "$1 needs a value"
      case $1 in
        --original) original=$2 ;;
        --width) width=$2 ;;
        --held-out) held_out=$2 ;;
        --models) wanted=$2 ;;
        --photos) photos=$2 ;;
        --threads) threads=$2 ;;
        --seed) seed=$2 ;;
        --bin) bin=$2 ;;
      esac
      shift 2
      ;;
    -*) die "unknown option $1 (see --help)" ;;
    *) positional+=("$1") && shift ;;
  esac
done
case ${#positional[@]} in
  2 | 3) ;;
  *) die "expected DATA OUT [MINUTES] (see --help)" ;;
esac
data=${positional[0]} out=${positional[1]} minutes=${positional[2]:-30}
for program in gan_train gan_eval gan_colorize gan_data; do
  [ -x "$bin/$program" ] || die "no $program in $bin: build, or use --bin" 3
done
command -v python3 >/dev/null || die "python3 writes the page: apt-get install python3" 3
[ -z "$original" ] || [ -r "$original" ] || die "$original: cannot be read" 3

models=("${all_models[@]}")
if [ -n "$wanted" ]; then
  IFS=, read -ra models <<<"$wanted"
  for model in "${models[@]}"; do
    [[ " ${all_models[*]} " == *" $model "* ]] || die "no model is called '$model' (see --help)"
  done
fi

mkdir -p "$out"
# Models of different budgets do not belong into one table.
settings="data $data, minutes $minutes, width $width, held out $held_out, threads $threads, seed $seed"
if [ -e "$out/settings.txt" ] && [ "$(cat "$out/settings.txt")" != "$settings" ]; then
  die "$out holds models with other settings ($(cat "$out/settings.txt")): choose another OUT"
fi
echo "$settings" >"$out/settings.txt"

# measure FILE ARGUMENTS...: gan_eval's JSON, unless it is there. Only what was measured to the end is kept.
measure() {
  local file=$1
  shift
  [ ! -s "$file" ] || return 0
  mkdir -p "$(dirname "$file")"
  "$bin/gan_eval" "$@" "$data" --split validation --threads "$threads" --quiet --json >"$file.part"
  mv "$file.part" "$file"
}

# show NAME WEIGHTS: how good these weights are, the network's own RGB and its colours on the photos' own luma; and
# the photos of the page in the network's RGB, as the original showed them.
show() {
  measure "$out/$1/rgb.json" "$2" --raw
  measure "$out/$1/own_luma.json" "$2"
  [ ! -s "$out/$1/painted/done" ] || return 0
  "$bin/gan_colorize" "$2" "$out/photos/gray" -o "$out/$1/painted" --raw --force --threads "$threads" >/dev/null
  echo "$2" >"$out/$1/painted/done"
}

if [ ! -s "$out/photos/done" ]; then
  "$bin/gan_data" pairs "$data" "$out/photos" --samples "$photos" --force --quiet --threads "$threads"
  echo "$photos" >"$out/photos/done"
fi
measure "$out/gray/own_luma.json" --baseline gray
[ -z "$original" ] || show surviving "$original"

for model in "${models[@]}"; do
  run=$out/$model
  if [ -s "$run/trained" ]; then
    echo "== $model: trained already"
  else
    echo "== $model"
    recipe=()
    [ "$model" != gan ] || recipe=(--recipe classic)
    command=(gan_train "$data" --model "$model" "${recipe[@]}" --width "$width" --seed "$seed" --validation "$held_out"
      --epochs 100000 --time-limit "$minutes" --threads "$threads")
    "$bin/${command[0]}" "${command[@]:1}" --out "$run" --force --quiet
    echo "${command[*]}" >"$run/trained"
  fi
  show "$model" "$run/weights.bin"
done

python3 "$root/tools/original_page.py" "$out" --models "$(IFS=, && echo "${all_models[*]}")"
