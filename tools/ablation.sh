#!/usr/bin/env bash
# ablation.sh [options] DATA OUT [MINUTES]: what each ingredient of the stable recipe is good for. Trains the
# whole recipe and then, with the same budget, the recipe with one ingredient off at a time; measures all
# of them on the validation photos, and writes OUT/ablation.md and OUT/ablation.csv.
#
#   DATA          folder of colour photos
#   OUT           where the runs and the tables go. Rows that are finished there are not trained again
#   MINUTES       of training for each row (30)
#   --width N     base width of the generator (32)
#   --rows A,B    only these rows, of:
#                   full no-balance no-moments no-coherence no-adversary plain bce spectral
#                   no-penalties no-augment no-ema no-anneal no-move head-128 no-smooth
#                 (no-smooth measures the run of full again)
#   --seed N      of all rows (1)
#   --bin DIR     where gan_train and gan_eval are (build/bin)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

usage() {
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
}
die() {
  echo "ablation.sh: $1" >&2
  exit "${2:-2}"
}

# A row's name, then what it switches in gan_train.
all_rows=(
  "full"
  "no-balance --no-balance"
  "no-moments --moments 0"
  "no-coherence --coherence 0"
  "no-adversary --adv none"
  "plain --adv none --no-balance --moments 0 --coherence 0"
  "bce --adv bce"
  "spectral --dreg spectral"
  "no-penalties --r1 0 --r2 0"
  "no-augment --no-augment"
  "no-ema --no-ema"
  "no-anneal --no-anneal"
  "no-move --no-move"
  "head-128 --head 128"
  "no-smooth --no-smooth"
)

width=32 seed=1 wanted="" bin=$root/build/bin positional=()
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage && exit 0 ;;
    --width | --rows | --seed | --bin)
      [ $# -ge 2 ] || die "$1 needs a value"
      case $1 in
        --width) width=$2 ;;
        --rows) wanted=$2 ;;
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
for program in gan_train gan_eval; do
  [ -x "$bin/$program" ] || die "no $program in $bin: build, or use --bin" 3
done

rows=()
if [ -z "$wanted" ]; then
  rows=("${all_rows[@]}")
else
  IFS=, read -ra names <<<"$wanted"
  for name in "${names[@]}"; do
    found=""
    for row in "${all_rows[@]}"; do
      [ "${row%% *}" = "$name" ] && found=$row
    done
    [ -n "$found" ] || die "no row is called '$name' (see --help)"
    rows+=("$found")
  done
fi

mkdir -p "$out"
# Rows of different budgets do not belong into one table.
settings="data $data, minutes $minutes, width $width, seed $seed"
if [ -e "$out/settings.txt" ] && [ "$(cat "$out/settings.txt")" != "$settings" ]; then
  die "$out holds rows with other settings ($(cat "$out/settings.txt")): choose another OUT"
fi
echo "$settings" >"$out/settings.txt"

for row in "${rows[@]}"; do
  read -ra words <<<"$row"
  name=${words[0]} flags=("${words[@]:1}") run=$out/${words[0]}
  if [ -s "$run/quality.json" ]; then
    echo "== $name: finished already"
    continue
  fi
  weights=$run/weights.bin measured=()
  if [ "$name" = no-smooth ]; then
    weights=$out/full/weights.bin measured=("${flags[@]}")
    [ -s "$weights" ] || die "row no-smooth measures the weights of row full, which has not been trained" 3
    mkdir -p "$run"
  else
    echo "== $name: gan_train ${flags[*]}"
    "$bin/gan_train" "$data" --out "$run" --force --quiet --recipe stable --width "$width" --seed "$seed" \
      --epochs 100000 --time-limit "$minutes" "${flags[@]}"
  fi
  # Only what was measured to the end counts as finished.
  "$bin/gan_eval" "$weights" "$data" --split validation --quiet --json "${measured[@]}" >"$run/quality.json.part"
  mv "$run/quality.json.part" "$run/quality.json"
done

columns=(score ciede2000 ciede2000_p90 psnr colorfulness_ratio hue_distance blotch coherence bias_a bias_b white_chroma)

# mean_of NAME FILE: a number out of the "mean" object of gan_eval's JSON.
mean_of() {
  awk -v name="\"$1\":" '/^ "mean": \{/ { inside = 1 } /^ \}/ { inside = 0 }
    inside && $1 == name { sub(/,$/, "", $2); print $2 }' "$2"
}
# line BEFORE BETWEEN AFTER CELL...: one line of either table.
line() {
  local before=$1 between=$2 after=$3 text
  shift 3
  text=$(printf "%s$between" "$@")
  echo "$before${text%"$between"}$after"
}

line "" "," "" row flags "${columns[@]}" >"$out/ablation.csv.part"
{
  echo "Each row: $settings; measured on the validation photos. Lower is better, but for psnr (higher)"
  echo "and colorfulness_ratio (1). bias_a and bias_b are best at 0."
  echo
  line "| " " | " " |" row flags "${columns[@]}"
  line "| " " | " " |" --- --- "${columns[@]/*/---:}"
} >"$out/ablation.md.part"
# All rows that are there, also from earlier calls.
for row in "${all_rows[@]}"; do
  name=${row%% *} switches=${row#"${row%% *}"} numbers=()
  [ -s "$out/$name/quality.json" ] || continue
  for column in "${columns[@]}"; do
    numbers+=("$(mean_of "$column" "$out/$name/quality.json" | awk '{ printf $1 == "null" ? "" : "%.3f", $1 }')")
  done
  line "" "," "" "$name" "${switches# }" "${numbers[@]}" >>"$out/ablation.csv.part"
  line "| " " | " " |" "$name" "${switches# }" "${numbers[@]}" >>"$out/ablation.md.part"
done
mv "$out/ablation.csv.part" "$out/ablation.csv"
mv "$out/ablation.md.part" "$out/ablation.md"
cat "$out/ablation.md"
