#!/usr/bin/env bash
# Fetches a public set of real flower photos to train on.
set -euo pipefail

readonly oxford_url=${OXFORD_URL:-https://www.robots.ox.ac.uk/~vgg/data/flowers/102/102flowers.tgz}
# The sum that torchvision's Flowers102 checks. Set OXFORD_MD5 along with OXFORD_URL for a mirror
# that packs the photos anew.
readonly oxford_md5=${OXFORD_MD5:-52808999861908f626f3c1f4e79d11fa}
readonly oxford_photos=8189
# Kaggle packs the archive on request and publishes no sum for it, so its integrity and the number
# of photos are checked instead.
readonly kaggle_url=${KAGGLE_URL:-https://www.kaggle.com/api/v1/datasets/download/olgabelitskaya/flower-color-images}
readonly kaggle_photos=210

readonly exit_usage=2 exit_data=3

usage() {
  cat <<'TEXT'
Usage: data/get_flowers.sh oxford|kaggle [DIR]

  oxford  Oxford 102 flowers: 8,189 photos, 345 MB, into DIR/oxford102
  kaggle  flower-color-images: 210 photos of 128x128, 10 species, into DIR/kaggle.
          Needs a Kaggle account: ~/.kaggle/kaggle.json, or KAGGLE_USERNAME and KAGGLE_KEY

DIR is flowers/ beside this script unless given. A download that was cut off is continued.

Examples:
  data/get_flowers.sh oxford
  data/get_flowers.sh kaggle
  data/get_flowers.sh oxford /mnt/big/flowers

Exit codes: 0 done, 2 wrong usage, 3 network or data.
TEXT
}

fail() {
  echo "get_flowers.sh: $2" >&2
  exit "$1"
}

need() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || fail $exit_data "$tool is not installed; install it and run this again"
  done
}

# count_files FOLDER ENDING
count_files() {
  [[ -d $1 ]] || { echo 0; return; }
  find "$1" -maxdepth 1 -type f -name "*$2" | wc -l | tr -d ' '
}

# fetch URL FILE [curl options]: prints the server's answer, such as 200, and keeps curl's status.
fetch() {
  local url=$1 file=$2 quiet=--silent
  shift 2
  [[ ! -t 2 ]] || quiet=--progress-bar
  curl "$quiet" --fail --location --connect-timeout 20 --retry 3 --write-out '%{http_code}' \
    --output "$file" "$@" "$url"
}

# download URL FILE [curl options]: continues FILE.part, which becomes FILE when complete.
download() {
  local url=$1 file=$2 status=0 answer
  shift 2
  answer=$(fetch "$url" "$file.part" --continue-at - "$@") || status=$?
  # The server cannot continue (33), the old part does not fit (36, or answer 416): start over once.
  if ((status == 33 || status == 36)) || [[ $answer == 416 ]]; then
    rm -f "$file.part"
    status=0
    answer=$(fetch "$url" "$file.part" "$@") || status=$?
  fi
  case $status in
    0) mv "$file.part" "$file" ;;
    6 | 7 | 28 | 35) fail $exit_data "cannot reach $url; check the network and run this again" ;;
    22) fail $exit_data "the server answered $answer for $url; 401 and 403 mean wrong credentials, 404 a wrong address" ;;
    *) fail $exit_data "the download of $url stopped (curl error $status); run this again to continue it" ;;
  esac
}

# Moves a complete folder to its place; until then nothing half-unpacked can be mistaken for it.
put_in_place() {
  rm -rf "$2"
  mv "$1" "$2"
}

get_oxford() {
  local target=$1/oxford102 archive=$1/102flowers.tgz work=$1/oxford102.tmp
  if (($(count_files "$target" .jpg) == oxford_photos)); then
    echo "$target already holds all $oxford_photos photos"
    return
  fi
  need curl tar gzip md5sum
  mkdir -p "$1" 2>/dev/null || fail $exit_data "$1: cannot create the folder; give another DIR"
  [[ -f $archive ]] || { echo "fetching $oxford_url"; download "$oxford_url" "$archive"; }
  local sum
  sum=$(md5sum <"$archive")
  if [[ ${sum%% *} != "$oxford_md5" ]]; then
    rm -f "$archive"
    fail $exit_data "$archive: wrong checksum ${sum%% *}, expected $oxford_md5; the file is removed, run this again"
  fi
  rm -rf "$work"
  mkdir "$work"
  tar -xzf "$archive" -C "$work" || fail $exit_data "$archive: cannot unpack it; is the disk full?"
  local found
  found=$(count_files "$work/jpg" .jpg)
  ((found == oxford_photos)) ||
    fail $exit_data "$archive: holds $found photos, expected $oxford_photos; remove it and run this again"
  put_in_place "$work/jpg" "$target"
  rm -rf "$work" "$archive"
  echo "$target: $oxford_photos photos"
}

# The value of a text field of a flat JSON file.
json_field() {
  sed -n "s/.*\"$2\"[[:space:]]*:[[:space:]]*\"\([^\"]*\)\".*/\1/p" "$1"
}

get_kaggle() {
  local target=$1/kaggle archive=$1/flower-color-images.zip work=$1/kaggle.tmp
  if (($(count_files "$target/flower_images" .png) == kaggle_photos)); then
    echo "$target already holds all $kaggle_photos photos"
    return
  fi
  need curl unzip
  local user=${KAGGLE_USERNAME:-} key=${KAGGLE_KEY:-} file=${HOME:-}/.kaggle/kaggle.json
  if [[ (-z $user || -z $key) && -r $file ]]; then
    user=$(json_field "$file" username)
    key=$(json_field "$file" key)
  fi
  if [[ ! $user =~ ^[A-Za-z0-9_.-]+$ || ! $key =~ ^[A-Za-z0-9_.-]+$ ]]; then
    fail $exit_data "no Kaggle credentials in KAGGLE_USERNAME and KAGGLE_KEY or $file; create a token at kaggle.com/settings"
  fi
  mkdir -p "$1" 2>/dev/null || fail $exit_data "$1: cannot create the folder; give another DIR"
  if [[ ! -f $archive ]]; then
    echo "fetching $kaggle_url"
    # Through a pipe, because other users can read a program's arguments.
    download "$kaggle_url" "$archive" --config <(printf 'user = "%s:%s"\n' "$user" "$key")
  fi
  if ! unzip -tq "$archive" >/dev/null 2>&1; then
    rm -f "$archive"
    fail $exit_data "$archive: not a complete zip file; it is removed, run this again"
  fi
  rm -rf "$work"
  mkdir "$work"
  unzip -q "$archive" -d "$work" || fail $exit_data "$archive: cannot unpack it; is the disk full?"
  # The photos lie beside their labels, at a depth that has changed between versions of the set.
  local labels found=0
  labels=$(find "$work" -name flower_labels.csv -print -quit)
  [[ -z $labels ]] || found=$(count_files "$(dirname "$labels")" .png)
  ((found == kaggle_photos)) ||
    fail $exit_data "$archive: holds $found photos beside flower_labels.csv, expected $kaggle_photos; remove it and run this again"
  mkdir -p "$target"
  put_in_place "$(dirname "$labels")" "$target/flower_images"
  rm -rf "$work" "$archive"
  echo "$target/flower_images: $kaggle_photos photos"
}

main() {
  case ${1:-} in
    -h | --help) usage; exit 0 ;;
    oxford | kaggle) ;;
    '') fail $exit_usage "name the set to fetch: oxford or kaggle; see --help" ;;
    *) fail $exit_usage "'$1' is no known set; choose oxford or kaggle, see --help" ;;
  esac
  (($# <= 2)) || fail $exit_usage "too many arguments; see --help"
  local folder=${2:-$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/flowers}
  "get_$1" "$folder"
}

main "$@"
