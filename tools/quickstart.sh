#!/usr/bin/env bash
# quickstart.sh [PHOTO]: from a fresh clone to a trained model and a coloured photo, in about a quarter of
# an hour on two cores. Before it trains, it colours a few photos, and PHOTO if you name one, with the
# weights that come with the project. It trains on the photos in data/flowers; when there are none,
# flowers are rendered.
set -euo pipefail
cd "$(dirname "$0")/.."

# Minutes of training, and where the results go. The folder is this script's own and is replaced.
minutes=${QUICKSTART_MINUTES:-7}
run="run-quickstart"

step() { printf '\n== %s\n' "$*"; }

step "Packages"
bash tools/packages.sh
generator=()
command -v ninja >/dev/null && generator=(-G Ninja)

step "Build"
cmake -S . -B build "${generator[@]}"
cmake --build build --parallel "$(nproc)" --target gan_train gan_colorize gan_flowers gan_eval

step "Colouring with the weights for flowers that come with the project"
# Photos that no network has seen: the species that are rendered for training, from another seed.
if [ ! -e "$run/unseen/flower_images/0001.png" ]; then
  build/bin/gan_flowers "$run/unseen" --count 6 --seed 2026
fi
build/bin/gan_colorize "$run"/unseen/flower_images/*.png -o "$run/colored-at-once" --force
if [ -n "${1:-}" ]; then
  build/bin/gan_colorize "$1" --force
fi

step "Photos"
photos=data/flowers
if [ -z "$(find "$photos" -type f \( -iname '*.png' -o -iname '*.jpg' -o -iname '*.jpeg' \) -print -quit 2>/dev/null)" ]; then
  echo "no photos in $photos: rendering flowers (data/get_flowers.sh fetches real ones)"
  build/bin/gan_flowers "$photos" --count 1500 --seed 1 --force
fi

step "Training for $minutes minutes"
build/bin/gan_train "$photos" --out "$run" --force --width 32 --epochs 1000 --time-limit "$minutes"

step "Colouring with what was trained"
build/bin/gan_colorize "$run/weights.bin" "$run"/unseen/flower_images/*.png -o "$run/colored" --force

cat <<EOF

Done. Look at:
  $run/index.html               how the training went
  $run/colored/0001_color.png   a photo the network had never seen, coloured from its brightness alone
  $run/samples/                 gray, coloured and true photos after every epoch
Colour your own photo:
  build/bin/gan_colorize $run/weights.bin YOUR_PHOTO.jpg
EOF
