#!/usr/bin/env bash
# data_tools.sh BIN: looking at photos before training on them, packs of photos, the original's folders of pairs, and the
# script that trains the original's models.
set -u
tests=$(cd "$(dirname "$0")" && pwd) || exit 2
# shellcheck source=tests/program_checks.sh
. "$tests/program_checks.sh"
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

expect 0 '' gan_flowers photos --count 30 --seed 3
mkdir photos/more
convert photos/flower_images/0001.png -resize 300x200 photos/more/0001.jpg # another photo of the same name
convert photos/flower_images/0002.png -colorspace Gray photos/more/gray.jpg
cp photos/flower_images/0003.png photos/more/again.png
echo 'no photo' >photos/more/text.png

# --- What would be used, and what not.
expect 0 '34 found, 31 used .*, 1 without colour, 1 unreadable, 1 duplicates' gan_train photos --check-data
grep -q '^short sides: 128 to 200 pixels, the median 128; 0 below 128' out.txt || fail "sizes: $(cat out.txt)"
grep -qE '^hash of the photos: [0-9a-f]+$' out.txt || fail "hash: $(cat out.txt)"
grep -q '^not used: more/gray.jpg: without colour' out.txt || fail "bad files: $(cat out.txt)"
[ "$(grep -c '^not used: ' out.txt)" = 3 ] || fail "bad files: $(cat out.txt)"
absent run
mkdir empty
expect 3 '0 photos to use' gan_train empty --check-data
expect 3 'no such folder' gan_train nowhere --check-data

# --- A pack trains what its folder trains, byte for byte, and goes on where the folder's run stopped.
expect 0 '31 used' gan_data pack photos photos.pack
exists photos.pack
expect 2 'exists already' gan_data pack photos photos.pack
cp photos.pack first.pack
expect 0 '' gan_data pack photos photos.pack --force --threads 1
cmp photos.pack first.pack || fail "another pack of the same photos"
expect 0 '' gan_train photos --check-data
cp out.txt folder.txt
expect 0 '' gan_train photos.pack --check-data
sed -i 's/^photos.pack/photos/' out.txt
cmp out.txt folder.txt || fail "a pack's report differs: $(cat out.txt)"
"$bin/gan_train" --model autoencoder5 --batch-size 8 --quiet photos --epochs 2 --out from_folder >/dev/null 2>&1 || fail "training from the folder"
"$bin/gan_train" --model autoencoder5 --batch-size 8 --quiet photos.pack --epochs 2 --out from_pack >/dev/null 2>&1 || fail "training from the pack"
for file in weights.bin last.bin bad_files.txt samples/epoch-0002.png; do
  cmp from_folder/$file from_pack/$file || fail "$file from the pack differs"
done
expect 0 'done: 3 epochs' gan_train photos.pack --out from_folder --resume --epochs 3
expect 0 '"psnr"' gan_eval from_pack/weights.bin photos.pack --split validation --json --quiet
cp out.txt pack.json
expect 0 '"psnr"' gan_eval from_pack/weights.bin photos --split validation --json --quiet
sed -i 's/"photos.pack"/"photos"/' pack.json
cmp out.txt pack.json || fail "other metrics from a pack"

# A pack is only a file.
head -c 100000 photos.pack >cut.pack
expect 3 'no pack of them' gan_train cut.pack --out never
LC_ALL=C sed 's/"found":"34"/"found":"99"/' photos.pack >lying.pack
expect 3 'made of 99 files' gan_train lying.pack --out never
cp photos.pack damaged.pack
printf '\x55' | dd of=damaged.pack bs=1 seek=700000 conv=notrunc 2>/dev/null
expect 3 'it is damaged' gan_train damaged.pack --out never
expect 3 'no pack of them' gan_train from_pack/weights.bin --out never
expect 3 'cannot write' gan_data pack photos /proc/photos.pack
expect 3 '0 found' gan_data pack empty empty.pack
for file in never empty.pack; do absent $file; done

# --- The original's folders: the same names twice, 128x128, gray in three equal channels, and to be trained on.
expect 0 '31 pairs' gan_data pairs photos pairs
[ "$(find pairs/color -type f | wc -l)" = 31 ] || fail "$(find pairs/color -type f | wc -l) photos in pairs/color"
(cd pairs/color && find . -type f | sort) >color.txt
(cd pairs/gray && find . -type f | sort) | cmp color.txt - || fail "other names in gray/ than in color/"
exists pairs/gray/more/0001.png
[ "$(size_of pairs/gray/more/0001.png)" = 128x128 ] || fail "a pair of $(size_of pairs/gray/more/0001.png)"
cmp photos/flower_images/0001.png pairs/color/flower_images/0001.png || fail "a photo of 128x128 changed"
convert pairs/gray/more/0001.png -format '%[fx:maxima.r-minima.r > 0] %[fx:saturation] %[channels]' info: >gray.txt
grep -qE '^1 0 ' gray.txt || fail "gray/ is not gray: $(cat gray.txt)"
expect 2 'pairs/color: exists already' gan_data pairs photos pairs
expect 0 '31 used' gan_train pairs --check-data
expect 0 '31 pairs' gan_data pairs pairs again
(cd again/color && find . -type f | sort) | cmp color.txt - || fail "pairs of pairs have other names"
expect 0 '2 pairs' gan_data pairs photos.pack some --samples 2
[ "$(find some -type f | wc -l)" = 4 ] || fail "$(find some -type f | wc -l) files for 2 samples"
expect 2 'subcommand' gan_data
expect 2 'unknown option --sizes' gan_data pairs photos x --sizes 3

# --- Every model of the original trains, goes on exactly, is measured and colours.
for model in autoencoder5 autoencoder7 autoencoder7-leaky autoencoder9-skip unet demo; do
  train=(gan_train photos.pack --model $model --width 4 --batch-size 8 --quiet)
  expect 0 "model: $model, .*recipe (reconstruction|classic)" "${train[@]}" --epochs 1 --out $model
  expect 0 'done: 2 epochs' gan_train photos.pack --out $model --resume --epochs 2 --quiet
  expect 0 'done: 2 epochs' "${train[@]}" --epochs 2 --out whole --force --threads 1
  cmp $model/last.bin whole/last.bin || fail "$model: other weights after going on"
  expect 0 "network +$model, width" gan_colorize --info $model/weights.bin
  expect 0 'CIEDE2000' gan_eval $model/weights.bin photos.pack --split validation --raw
  expect 0 '' gan_colorize $model/weights.bin photos/more/0001.jpg -o $model/photo.png
  [ "$(size_of $model/photo.png)" = "$(size_of photos/more/0001.jpg)" ] || fail "$model made $(size_of $model/photo.png)"
done
expect 2 'unet is trained with --recipe reconstruction, not stable' gan_train photos --model unet --recipe stable --out x
expect 2 'gan is trained with --recipe stable or classic' gan_train photos --recipe reconstruction --out x
expect 2 '--model' gan_train photos --model unet9 --out x
absent x

# What PyTorch makes of their weights.
torch_python=""
for python in python3 /usr/bin/python3; do
  [ -n "$torch_python" ] || ! "$python" -c 'import torch' 2>/dev/null || torch_python=$python
done
if [ -n "$torch_python" ]; then
  "$torch_python" "$tests/peers/torch_weights.py" --check "$bin/parity_check" {autoencoder{5,7,7-leaky,9-skip},unet,demo}/weights.bin \
    >out.txt 2>&1 || fail "PyTorch computes something else: $(grep -vE 'within limits' out.txt | tail -20)"
else
  echo "data_tools: SKIPPED the comparison with PyTorch, which is not there (apt-get install python3-torch)"
fi

# --- All of them on one page.
if command -v python3 >/dev/null; then
  reproduce=("$tests/../tools/reproduce_original.sh" --bin "$bin" --width 4 --models autoencoder7,gan --photos 2
    --original "$tests/fixtures/demo_weights.safetensors" photos.pack original 0.02)
  "${reproduce[@]}" >out.txt 2>err.txt || fail "reproduce_original.sh: $(tail -1 err.txt)"
  for text in 'autoencoder7' 'left gray' 'surviving weights' 'How often D is right' 'alt="photo 2, truth"'; do
    grep -qF "$text" original/index.html || fail "the page lacks '$text'"
  done
  ! grep -qE '(src|href)="?(http|/)' original/index.html || fail "the page needs other files"
  psnr=$(python3 -c 'import json; print(json.load(open("original/gray/own_luma.json"))["mean"]["psnr"])')
  grep -qF "\"psnr\": $psnr" original/original.json || fail "original.json has not gan_eval's PSNR $psnr"
  "${reproduce[@]}" >out.txt 2>err.txt || fail "reproduce_original.sh again: $(tail -1 err.txt)"
  [ "$(grep -c 'trained already' out.txt)" = 2 ] || fail "reproduce_original.sh trained finished models again"
  "${reproduce[@]}" --seed 2 >out.txt 2>err.txt && fail "reproduce_original.sh mixed settings"
else
  echo "data_tools: SKIPPED the page of all models, there is no python3 to write it"
fi

no_leftovers
finish data_tools
