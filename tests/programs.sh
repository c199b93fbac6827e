#!/usr/bin/env bash
# programs.sh BIN: the programs from end to end, as a person uses and misuses them. Every failure has to
# be one clear line, the right exit code, and no file left behind.
set -u
tests=$(cd "$(dirname "$0")" && pwd) || exit 2
ablation=$tests/../tools/ablation.sh
# shellcheck source=tests/program_checks.sh
. "$tests/program_checks.sh"
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

# --- Photos to work with.
expect 0 '' gan_flowers photos --count 40 --seed 3
expect 2 '--force' gan_flowers photos --count 4
expect 0 '' gan_flowers unseen --count 2 --seed 4
exists photos/flower_images/flower_labels.csv
exists photos/flower_images/0040.png

# --- Training.
train=(gan_train photos --width 8 --batch-size 8 --backend auto)
expect 0 'colour a photo: gan_colorize run/weights.bin' "${train[@]}" --out run --epochs 2
for file in weights.bin last.bin log.csv samples/epoch-0001.png samples/epoch-0002.png; do
  exists run/$file
done
[ "$(wc -l <run/log.csv)" = 3 ] || fail "log.csv has $(wc -l <run/log.csv) lines, expected 3"
expect 2 'holds a training run already' "${train[@]}" --out run --epochs 1
expect 0 'done: 1 epoch' "${train[@]}" --out again --epochs 1 --init run/weights.bin
expect 3 'expected shape 4x3x3x3 or .* found 8x3x3x3' gan_train photos --width 4 --out x --init run/weights.bin
expect 0 'model: gan, width 16' gan_train photos --width 16 --batch-size 8 --epochs 1 --out wider --init run/weights.bin
expect 0 'model: gan, width 8,' gan_train photos --batch-size 8 --epochs 1 --out alike --init run/weights.bin
expect 0 'recipe classic' gan_train photos --model demo --batch-size 8 --epochs 1 --out demo
expect 2 '--recipe classic' gan_train photos --model demo --recipe stable --out x
expect 0 'batch 2, seed' gan_train photos --width 4 --batch-size auto --epochs 1 --out automatic # a sixteenth of the photos
expect 2 'finished' gan_train photos --batch-size auto --out automatic --resume

# The stable recipe goes through all its phases, keeps what it knew without the discriminator, and
# gives the same bytes with any number of threads.
expect 0 'without the discriminator: CIEDE2000' "${train[@]}" --out phases --epochs 6 --supervised 0.3
exists phases/supervised.bin
for phase in 0 2; do
  cut -d, -f5 phases/log.csv | grep -qx $phase || fail "phase $phase does not show in log.csv"
done
expect 0 'D right on' "${train[@]}" --out phases1 --epochs 6 --supervised 0.3 --threads 1
cmp phases/last.bin phases1/last.bin || fail "other weights with one thread"
expect 0 'no discriminator' "${train[@]}" --out plain --epochs 1 --adv none --head 128 --no-balance \
  --moments 0 --coherence 0 --no-move --no-ema --no-anneal
absent plain/supervised.bin
expect 0 'unseen/flower_images/0001_color' gan_colorize plain/weights.bin unseen/flower_images/0001.png
rm unseen/flower_images/*_color.png
expect 0 'D right on' "${train[@]}" --out bce --epochs 2 --supervised 0 --adv bce --label-smoothing 0.1 \
  --r1 0 --r2 0 --no-augment --no-autopilot
expect 0 'D right on' "${train[@]}" --out spectral --epochs 2 --supervised 0 --dreg spectral
expect 0 '' "${train[@]}" --out spectral1 --epochs 2 --supervised 0 --dreg spectral --threads 1
cmp spectral/last.bin spectral1/last.bin || fail "other weights with one thread and --dreg spectral"
expect 2 '--adv' "${train[@]}" --out x --adv wasserstein
GAN_INSTRUCTION_SET=avx1024 expect 2 "GAN_INSTRUCTION_SET is 'avx1024'" "${train[@]}" --out x
GAN_INSTRUCTION_SET=baseline expect 0 'own kernels .baseline.' "${train[@]}" --out older --epochs 1

# The page of a run, its curves, and what TensorBoard reads.
exists phases/curves.svg
grep -q 'gan_colorize phases/weights.bin photo.jpg' phases/index.html || fail "the page has no command to colour with"
row=$(tail -1 phases/log.csv | sed -E ':again; s/,,/,null,/; t again; s/,$/,null/')
grep -qF "[$row]" phases/index.html || fail "the page lacks log.csv's last row: $row"
expect 0 'look at it: board/index.html' "${train[@]}" --out board --epochs 2 --tensorboard
expect 0 'done: 3 epochs' gan_train photos --out board --resume --epochs 3 --tensorboard
if command -v python3 >/dev/null; then
  "$tests/check_tensorboard.py" board >out.txt 2>err.txt || fail "TensorBoard's file: $(tail -1 err.txt)"
else
  echo "programs: SKIPPED TensorBoard's file, there is no python3 to read it with"
fi
absent phases/tensorboard

# Without a terminal, progress comes in plain lines, here of an epoch that takes many seconds on any machine;
# --quiet leaves them out.
expect 0 'epoch 1/1:' gan_train photos --width 16 --batch-size 4 --backend reference --epochs 1 --out lines
grep -qE '^Epoch 1/1: .* photos/s, .* left, run .*, step [0-9]' err.txt || fail "no progress: $(cat err.txt)"
! grep -q $'[\r\x1b]' err.txt || fail "control characters in a pipe"
expect 0 'epoch 1/1:' "${train[@]}" --out quiet --epochs 1 --quiet
! grep -qv '^device:' err.txt || fail "--quiet said: $(cat err.txt)"

# The original's recipe.
expect 0 'D right on' gan_train photos --width 8 --batch-size 8 --recipe classic --epochs 1 --out classic
absent classic/supervised.bin
expect 0 'epoch 2/2' gan_train photos --out classic --resume --epochs 2
expect 0 'D right on' gan_train photos --width 8 --batch-size 8 --recipe classic --epochs 2 --out classic2
cmp classic/last.bin classic2/last.bin || fail "other weights after extending a classic run"
expect 0 'PSNR' gan_eval classic/weights.bin photos --split validation
expect 0 'unseen/flower_images/0002_color' gan_colorize classic/weights.bin unseen/flower_images/0002.png
rm unseen/flower_images/*_color.png
expect 0 '--time-limit' gan_train --help
expect 0 '^gan_train [0-9]' gan_train --version

# The same seed gives the same weights.
expect 0 'done' "${train[@]}" --out same --epochs 1 --seed 5
expect 0 'done' "${train[@]}" --out same2 --epochs 1 --seed 5
cmp -s same/weights.bin same2/weights.bin || fail "the same seed gave other weights"

# Ctrl-C ends the run with its files written.
"$bin/gan_train" photos --width 8 --batch-size 8 --out stopped --epochs 100000 >out.txt 2>err.txt &
pid=$!
for _ in $(seq 600); do
  [ -s stopped/weights.bin ] && break
  sleep 0.1
done
[ -s stopped/weights.bin ] || kill -KILL $pid
kill -INT $pid
wait $pid || fail "an interrupted run exited $?"
grep -q '^stopped' out.txt || fail "an interrupted run did not say that it was stopped"
grep -q -- '--out stopped --resume' out.txt || fail "an interrupted run did not say how to go on"
exists stopped/last.bin

# Going on: whenever and however a run ended, the final weights are those of one that never did.
wait_for_checkpoint() {
  for _ in $(seq 300); do
    ls part/checkpoint-*.bin >/dev/null 2>&1 && return
    sleep 0.1
  done
}
"$bin/gan_train" photos --width 8 --batch-size 8 --out part --epochs 6 --supervised 0.3 \
  >out.txt 2>err.txt &
pid=$!
wait_for_checkpoint
for signal in KILL INT KILL; do
  sleep "1.$((RANDOM % 10))"
  kill -$signal $pid 2>/dev/null
  wait $pid 2>/dev/null
  "$bin/gan_train" photos --out part --resume >out.txt 2>err.txt &
  pid=$!
done
wait $pid || grep -q 'the run is finished' err.txt || fail "going on: $(tail -1 err.txt)"
for weights in last weights supervised; do # what a stopped epoch had would not be there without the stop
  cmp phases/$weights.bin part/$weights.bin || fail "another $weights.bin after being killed and resumed"
done
for table in steps layers; do
  cmp phases/$table.csv part/$table.csv || fail "another $table.csv after being killed and resumed"
done
grep -q '^[0-9]*,6,generator.enc1.conv.weight,' part/layers.csv || fail "no layers in $(tail -1 part/layers.csv)"
cut -d, -f1,2,5- phases/log.csv >whole.csv
cut -d, -f1,2,5- part/log.csv | cmp whole.csv - || fail "another log after being resumed"
[ "$(find part -name 'checkpoint-*' | wc -l)" = 2 ] || fail "there should be two checkpoints"
expect 2 'give a larger --epochs' gan_train photos --out part --resume
expect 2 'width = 8, not 16' gan_train photos --out part --resume --epochs 7 --width 16
expect 2 'not the photos' gan_train unseen --out part --resume --epochs 7 --validation 0
newest=$(find part -name 'checkpoint-*' | sort | tail -1)
truncate -s 1000 "$newest"
expect 0 'warning: .*going back to the checkpoint before' gan_train photos --out part --resume --epochs 7
rm -rf edited && cp -r part edited
LC_ALL=C sed -i 's/"state.epoch":"./"state.epoch":"1/' "$(find edited -name 'checkpoint-*' | sort | tail -1)"
expect 0 'warning: .*damaged.*going back to the checkpoint before' gan_train photos --out edited --resume --epochs 8
expect 2 'no checkpoint' gan_train photos --out nothing_yet --resume

# A checkpoint is only a file: numbers that make no sense are refused, not trained with.
for edit in batch_size:8:0 penalty_every:4:0 state.epoch_steps:.:9 state.epoch:.:0; do
  IFS=: read -r name from to <<<"$edit"
  rm -rf edited && cp -r part edited
  find edited -name 'checkpoint-*' | sort | head -1 | xargs rm # or it would go back to that, with a warning
  for file in edited/checkpoint-*.bin; do
    LC_ALL=C sed -i "s/\"$name\":\"$from\"/\"$name\":\"$to\"/" "$file"
  done
  expect 3 'damaged, its content is not' gan_train photos --out edited --resume --epochs 9
  LC_ALL=C sed -i 's/"checksum":/"nochecks":/' edited/checkpoint-*.bin
  expect 3 'cannot be' gan_train photos --out edited --resume --epochs 9
done
expect 2 'excludes' gan_train photos --out part --resume --force

# Photos in color/ and gray/; bad files among good ones.
mkdir -p pairs/color pairs/gray mixed
cp photos/flower_images/000*.png pairs/color
cp photos/flower_images/000*.png pairs/gray
expect 0 '9 found, 9 used' gan_train pairs --width 4 --batch-size 4 --epochs 1 --out pairs_run
cp photos/flower_images/001*.png mixed
echo 'no photo' >mixed/text.png
: >mixed/empty.jpg
convert mixed/0010.png mixed/whole.jpg
head -c 1500 mixed/whole.jpg >mixed/cut.jpg
convert mixed/0011.png -colorspace Gray mixed/gray.jpg
expect 0 '3 unreadable' gan_train mixed --width 4 --batch-size 4 --epochs 1 --out mixed_run
[ "$(wc -l <mixed_run/bad_files.txt)" = 4 ] || fail "bad_files.txt: $(cat mixed_run/bad_files.txt)"

# --- Colouring.
expect 0 'unseen/flower_images/0001_color.png' gan_colorize run/weights.bin unseen/flower_images/0001.png
exists unseen/flower_images/0001_color.png
expect 2 'exists already' gan_colorize run/weights.bin unseen/flower_images/0001.png
expect 0 '' gan_colorize run/weights.bin unseen/flower_images/0001.png --force
convert photos/flower_images/0001.png -resize '301x77!' -quality 90 wide.jpg
expect 0 'wide.out.jpg' gan_colorize run/weights.bin wide.jpg -o wide.out.jpg
[ "$(size_of wide.out.jpg)" = 301x77 ] || fail "coloured photo is $(size_of wide.out.jpg), not 301x77"
expect 0 '' gan_colorize run/weights.bin wide.jpg -o raw.png --raw
[ "$(size_of raw.png)" = 128x128 ] || fail "--raw wrote $(size_of raw.png)"
expect 0 '' gan_colorize run/weights.bin wide.jpg -o flip.png --tta flip --saturation auto
exists flip.png
expect 0 '' gan_colorize run/weights.bin wide.jpg -o gray.png --saturation 0
gray_chroma=$(convert gray.png -colorspace HSL -channel G -separate -format '%[fx:maxima]' info:)
[ "$gray_chroma" = 0 ] || fail "--saturation 0 left colour: $gray_chroma"
expect 2 'neither in 0..3 nor auto' gan_colorize run/weights.bin wide.jpg -o never.png --saturation 4
expect 2 '--tta' gan_colorize run/weights.bin wide.jpg -o never.png --tta twice
expect 0 '' gan_colorize run/weights.bin wide.jpg -o smooth.png
expect 0 '' gan_colorize run/weights.bin wide.jpg -o own.png --no-smooth
cmp -s smooth.png own.png && fail "--no-smooth changes nothing"
convert wide.jpg wide.bmp
expect 0 'colored/wide_color.jpg' gan_colorize run/weights.bin wide.bmp --format jpg -o colored
convert -size 1x1 xc:gray dot.png
expect 0 '' gan_colorize run/weights.bin dot.png
# Brightness stays: the luma of the result is the photo's.
difference=$(convert unseen/flower_images/0001.png unseen/flower_images/0001_color.png \
  -colorspace Rec601Luma -compose difference -composite -format '%[fx:maxima*255]' info:)
awk -v d="$difference" 'BEGIN { exit !(d <= 1.01) }' || fail "luma changed by $difference levels"

expect 3 'looks like text' gan_colorize run/weights.bin mixed/text.png
expect 3 'looks like an empty file' gan_colorize run/weights.bin mixed/empty.jpg
expect 3 'cut off' gan_colorize run/weights.bin mixed/cut.jpg
expect 3 'no such file' gan_colorize run/weights.bin nowhere.jpg
expect 3 'cannot write' gan_colorize run/weights.bin wide.jpg -o /proc/wide.png
expect 2 'one file, but there are 2' gan_colorize run/weights.bin wide.jpg wide.bmp -o one.png
expect 2 'would be written to this name' gan_colorize run/weights.bin wide.jpg wide.bmp
expect 1 '1 done, 0 skipped, 1 failed' gan_colorize run/weights.bin wide.jpg mixed/text.png -o some
for file in mixed/text_color.png mixed/empty_color.png mixed/cut_color.png one.png some/text_color.png; do
  absent $file
done

# --- Weights that are none.
head -c 5000 run/weights.bin >cut.bin
expect 3 'truncated' gan_colorize cut.bin wide.jpg -o never.png
if [ -e "$bin/../../data/weights/flowers.bin" ]; then  # built within the source tree
  expect 0 'box.png' gan_colorize wide.jpg -o box.png
  [ "$(size_of box.png)" = "$(size_of wide.jpg)" ] || fail "the weights in the box changed the size"
else
  expect 2 'that come with the program' gan_colorize wide.jpg -o box.png
fi
cp wide.jpg photo.bin
expect 3 'not a usable weights file' gan_colorize photo.bin wide.jpg -o never.png
expect 2 'there is no photo' gan_colorize run/weights.bin
expect 3 'cannot open' gan_colorize nowhere.bin wide.jpg -o never.png
expect 2 'is the folder of a training run' gan_colorize run wide.jpg -o never.png
absent never.png

# --- Measuring.
expect 0 'CIEDE2000' gan_eval run/weights.bin photos --split validation
expect 0 '"ciede2000"' gan_eval run/weights.bin photos --json --quiet
expect 0 '"saturation": 0.5' gan_eval run/weights.bin photos --json --quiet --tta flip --saturation 0.5
expect 0 '"smooth": true' gan_eval run/weights.bin photos --json --quiet
expect 0 '"smooth": false' gan_eval run/weights.bin photos --json --quiet --no-smooth
expect 0 'colourfulness ratio +0.000' gan_eval --baseline gray photos
expect 0 'blotch +0.00 +\[0.00, 0.00\]' gan_eval --baseline gray photos
expect 0 '"confidence95"' gan_eval --baseline gray photos --json
expect 0 '"baseline": "mean"' gan_eval --baseline mean photos --split validation --json
expect 0 'C2ST accuracy +[01]\.' gan_eval run/weights.bin photos --c2st --quiet
expect 3 'needs 4 photos' gan_eval --baseline gray unseen --c2st --quiet
cp run/weights.bin fit.bin
expect 0 'saturation auto is now [0-9.]+, fitted on' gan_eval fit.bin photos --fit-saturation
cmp fit.bin run/weights.bin || fail "another saturation than gan_train's"
: >fit.bin.sha256 # weights that came with the program stay as they are
expect 2 'copy it elsewhere first' gan_eval fit.bin photos --fit-saturation
expect 2 'needs weights' gan_eval --baseline gray photos --fit-saturation
expect 2 'needs no weights' gan_eval run/weights.bin photos --baseline gray
expect 2 'DATA is required' gan_eval run/weights.bin
expect 3 'no such folder' gan_eval run/weights.bin nowhere

# --- The weights that come with the program are looked for beside it, and have to be whole.
mkdir -p box/build/bin box/data/weights
cp "$bin/gan_colorize" box/build/bin && cp run/weights.bin box/data/weights/flowers.bin
box=$bin && bin=box/build/bin
expect 0 'boxed.png' gan_colorize photos/flower_images/0001.png -o boxed.png
if gan_info=$(box/build/bin/gan_colorize --info box/data/weights/flowers.bin) && grep -q SHA-256 <<<"$gan_info"; then
  (cd box/data/weights && sha256sum flowers.bin >flowers.bin.sha256)
  expect 0 'boxed.png' gan_colorize photos/flower_images/0001.png -o boxed.png --force
  printf x >>box/data/weights/flowers.bin
  expect 3 'SHA-256 .*, expected .*fetch the file again' gan_colorize photos/flower_images/0001.png -o broken.png
  absent broken.png
fi
bin=$box

# --- Weights for other programs, and smaller ones.
expect 0 'same.safetensors: [0-9.]+ [kM]B' gan_colorize run/weights.bin --export same.safetensors
cmp same.safetensors run/weights.bin || fail "exported weights differ"
expect 0 'half.safetensors: ' gan_colorize run/weights.bin --export half.safetensors --half
[ "$(stat -c %s half.safetensors)" -lt "$(($(stat -c %s run/weights.bin) * 6 / 10))" ] || fail "half.safetensors is not half as large"
expect 0 'F16' gan_colorize --info half.safetensors
expect 0 'half.png' gan_colorize half.safetensors photos/flower_images/0001.png -o half.png
expect 2 'exists; --force' gan_colorize run/weights.bin --export same.safetensors
expect 2 '--half requires --export' gan_colorize run/weights.bin wide.jpg --half
expect 3 'not a usable weights file' gan_colorize wide.jpg --export x.bin
absent x.bin

# --- The ablation table; what is finished is not trained again.
rows=(--bin "$bin" --width 4 --rows "no-adversary,head-128" pairs/color ablation 0.01)
"$ablation" "${rows[@]}" >out.txt 2>err.txt || fail "ablation.sh: $(tail -1 err.txt)"
[ "$(wc -l <ablation/ablation.csv)" = 3 ] || fail "ablation.csv: $(cat ablation/ablation.csv)"
grep -qE '^no-adversary,--adv none,[0-9]+\.[0-9]{3},' ablation/ablation.csv || fail "ablation.csv: $(cat ablation/ablation.csv)"
grep -q '^| head-128 | --head 128 | ' ablation/ablation.md || fail "ablation.md: $(cat ablation/ablation.md)"
"$ablation" "${rows[@]}" >out.txt 2>err.txt || fail "ablation.sh again: $(tail -1 err.txt)"
[ "$(grep -c 'finished already' out.txt)" = 2 ] || fail "ablation.sh trained finished rows again"
"$ablation" --bin "$bin" pairs/color ablation 0.02 >out.txt 2>err.txt && fail "ablation.sh mixed budgets"
"$ablation" "${rows[@]/no-adversary,head-128/no-smooth}" >out.txt 2>err.txt && fail "ablation.sh measured a run that is not there"
grep -q 'row full, which has not been trained' err.txt || fail "ablation.sh: $(tail -1 err.txt)"
"$ablation" --rows nothing pairs/color ablation >out.txt 2>err.txt && fail "ablation.sh knows a row 'nothing'"

# --- Misuse of gan_train.
mkdir nothing limited
cat >limited/gan_train <<END
#!/bin/bash
ulimit -v 600000
exec $bin/gan_train "\$@"
END
chmod +x limited/gan_train
unlimited=$bin && bin=limited
expect 4 'batch 3[0-9] needs [0-9.]+ [GM]B of memory, of which .* are free: --batch-size [0-9]+ would fit' gan_train photos \
  --width 48 --batch-size 64 --threads 1 --out x
bin=$unlimited
expect 2 '--batch-size' gan_train photos --batch-size 0 --out x
expect 3 'no such folder' gan_train nowhere --out x
expect 3 '0 photos to use' gan_train nothing --out x
expect 3 'folder' gan_train wide.jpg --out x
expect 2 '--epochs: Value -3 not in range' gan_train photos --epochs -3 --out x
expect 2 '--lr-g' gan_train photos --lr-g abc --out x
expect 2 'did you mean --epochs' gan_train photos --epohcs 3 --out x
expect 2 'DATA is required' gan_train
expect 2 'multiple of 4' gan_train photos --width 30 --out x
expect 4 'no GPU' gan_train photos --device gpu --out x
expect 3 'cannot create the folder' gan_train photos --out /proc/run
expect 3 'is a file' gan_train photos --out wide.jpg
absent x

no_leftovers
finish programs
