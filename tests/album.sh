#!/usr/bin/env bash
# album.sh BIN: gan_colorize with many photos, with URLs and with files that must not be harmed. Needs
# ImageMagick, and python3 for the web server.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/program_checks.sh
. "$here/program_checks.sh"
trap 'kill $server 2>/dev/null; rm -rf "$work"' EXIT
server=

# --- A network that takes no time, and photos of all kinds.
expect 0 '' gan_flowers flowers --count 20 --seed 3
expect 0 'done' gan_train flowers --width 4 --batch-size 8 --epochs 1 --head 64 --out run
w=run/weights.bin
mkdir -p album/deep/er
for i in $(seq 20); do cp "flowers/flower_images/00$(printf %02d "$i").png" "album/$i.png"; done
convert album/1.png -resize 200x150! album/deep/one.jpg
convert album/2.png -resize 150x200! -colorspace Gray 'album/deep/er/two words.JPG'
for i in $(seq 3 90); do cp album/deep/one.jpg "album/deep/copy$i.jpg"; done
for i in $(seq 3 90); do cp album/3.png "album/deep/er/copy$i.png"; done
convert album/4.png -resize 33x65! album/deep/odd.bmp
convert album/5.png album/deep/sixteen.png
printf 'no photo' >album/text.png
: >album/empty.jpg
head -c 3000 album/deep/one.jpg >album/deep/cut.jpg
head -c 500 album/6.png >album/deep/er/cut.png
ln -s nowhere album/deep/link.png
printf 'other' >album/notes.txt
photos=$(find album \( -name '*.png' -o -iname '*.jpg' -o -name '*.bmp' \) | wc -l)
broken=5
[ "$photos" = 205 ] || fail "the album has $photos photos, expected 205"

# --- The whole tree: what can be done is done, the rest is listed, nothing else is touched.
find album -type f -exec sha256sum {} + | sort >before.txt
checks=$((checks + 1))
"$bin/gan_colorize" $w album -o colored --format jpg >out.txt 2>err.txt
[ $? = 1 ] || fail "five broken files and exit code $?: $(tail -1 err.txt)"
grep -q "^$((photos - broken)) done, 0 skipped, $broken failed; left out: 1 other files" err.txt || fail "summary: $(tail -1 err.txt)"
[ "$(grep -c '^gan_colorize: album/' err.txt)" = $broken ] || fail "not $broken failures listed: $(cat err.txt)"
[ "$(find colored -name '*_color.jpg' | wc -l)" = $((photos - broken)) ] || fail "another number of results"
[ "$(wc -l <out.txt)" = $((photos - broken)) ] || fail "another number of names on standard output"
find album -type f -exec sha256sum {} + | sort | cmp before.txt - || fail "the album changed"
exists "colored/deep/er/two words_color.jpg"
[ "$(size_of colored/deep/one_color.jpg)" = 200x150 ] || fail "size: $(size_of colored/deep/one_color.jpg)"

# The same bytes with other threads and batches, which one photo alone gets, too.
checks=$((checks + 1))
"$bin/gan_colorize" $w album -o colored1 --format jpg --threads 1 --memory 1 >out.txt 2>err.txt
diff -r colored colored1 >/dev/null || fail "other results with one thread and little memory"
expect 0 '' gan_colorize $w album/deep/one.jpg -o alone.jpg
cmp alone.jpg colored/deep/one_color.jpg || fail "another result for a photo alone"

# stop SIGNAL FOLDER FORMAT COUNT: colours the album into FOLDER, and sends SIGNAL once COUNT results are
# there; all of it again where it was done sooner than that could be seen.
stop() {
  for _ in $(seq 10); do
    rm -rf "$2"
    "$bin/gan_colorize" $w album -o "$2" --format "$3" >out.txt 2>err.txt &
    local pid=$!
    for _ in $(seq 1000); do
      [ "$(find "$2" -name '*_color.*' 2>/dev/null | wc -l)" -ge "$4" ] && break
      sleep 0.01
    done
    kill -"$1" $pid 2>/dev/null
    wait $pid 2>/dev/null
    code=$?
    some=$(find "$2" -name '*_color.*' | wc -l)
    [ "$some" -lt $((photos - broken)) ] && return
  done
  fail "always done before signal $1"
}

# --- Killed half way, and again: complete, and nothing half.
stop KILL again jpg 20
touch again/.gan-00000000-1-1.tmp # of another machine: not ours to remove
checks=$((checks + 1))
"$bin/gan_colorize" $w album -o again --format jpg --skip-existing >out.txt 2>err.txt
[ $? = 1 ] || fail "going on: exit code $?"
grep -q "^$((photos - broken - some)) done, $some skipped, $broken failed" err.txt || fail "going on: $(tail -1 err.txt)"
rm again/.gan-00000000-1-1.tmp
diff -r colored again || fail "other results after being killed"
grep -c . out.txt | grep -qx $((photos - broken - some)) || fail "work was done for what was skipped"
expect 1 "0 done, $((photos - broken)) skipped, $broken failed" gan_colorize $w album -o again --format jpg --skip-existing

# Ctrl-C: what was begun ends, and it says how to go on.
stop INT stopped png 1
[ $code = 1 ] || fail "Ctrl-C: exit code $code"
grep -q 'left; --skip-existing goes on' err.txt || fail "Ctrl-C: $(tail -1 err.txt)"
find stopped -name '*_color.png' -exec identify {} + >/dev/null || fail "half a file after Ctrl-C"

# --- Lists, patterns, and beside the photos.
printf 'album/1.png\r\n\r\nalbum/deep/er\n' >list.txt
expect 1 '90 done, 0 skipped, 1 failed' gan_colorize $w --list list.txt -o listed
exists listed/1_color.png
exists listed/copy3_color.png
checks=$((checks + 1))
"$bin/gan_colorize" $w - -o piped <list.txt >out.txt 2>err.txt
diff -r listed piped >/dev/null || fail "a list on standard input gives something else"
expect 0 '9 done' gan_colorize $w 'album/[1-9].png'
exists album/9_color.png
expect 2 'exists already \(and 8 more\)' gan_colorize $w 'album/[1-9].png'
expect 0 '0 done, 9 skipped, 0 failed' gan_colorize $w 'album/[1-9].png' --skip-existing
expect 1 "0 done, $((photos - broken)) skipped, $broken failed; left out: 9 earlier results" \
  gan_colorize $w album -o colored --format jpg --skip-existing
expect 3 'no file matches' gan_colorize $w 'album/*.gif'
mkdir nothing
expect 3 'no photos there' gan_colorize $w nothing
expect 3 'holds no names' gan_colorize $w --list album/empty.jpg

# --- Files that must not be harmed.
cp album/1.png mine.png
expect 2 'is the folder that the photos are in' gan_colorize $w album -o album
expect 2 'would overwrite the photo' gan_colorize $w mine.png -o mine.png --force
ln -s mine.png link.png
ln mine.png hard.png
expect 2 'would overwrite the photo' gan_colorize $w mine.png -o link.png --force
expect 2 'would overwrite the photo' gan_colorize $w mine.png -o hard.png --force
expect 2 'would be written to this name' gan_colorize $w album/deep/one.jpg album/1.png album/deep/../1.png -o out
expect 2 'excludes' gan_colorize $w mine.png --force --skip-existing
expect 2 'is the folder of a training run' gan_colorize run mine.png
cmp mine.png flowers/flower_images/0001.png || fail "the photo changed"
absent out

# --- What is written says how it was made.
expect 0 '' gan_colorize $w mine.png -o noted.png --tta flip --saturation 1.5
hash=$(sha256sum $w | cut -d' ' -f1)
identify -verbose noted.png >noted.txt
grep -q -- 'Settings: --tta flip --saturation 1.5 --work-size 128' noted.txt || fail "no settings in the file"
grep -q "Weights-SHA-256: $hash" noted.txt || fail "no SHA-256 in the file"
expect 0 'saturation 1?[0-9.]+, as the weights recommend' gan_colorize $w mine.png -o auto.png --saturation auto

expect 0 '' gan_colorize $w mine.png -o own.png --no-smooth
identify -verbose own.png | grep -q -- 'Settings: --tta none --saturation 1 --no-smooth --work-size 128' ||
  fail "--no-smooth is not in the file"

# --- Who gives a photo in colour is told once that its colours are not used.
expect 0 'note: mine.png: has colours of its own' gan_colorize $w mine.png -o told.png
expect 0 '3 done' gan_colorize $w album/1.png album/2.png album/3.png -o told
[ "$(grep -c 'has colours of its own' err.txt)" = 1 ] || fail "not told once of colours: $(cat err.txt)"
convert mine.png -colorspace Gray -define png:color-type=2 gray_rgb.png
expect 0 '' gan_colorize $w gray_rgb.png -o told2.png
! grep -q 'has colours' err.txt || fail "a gray photo is said to have colours"

# --- Sheets.
expect 0 '' gan_colorize $w mine.png -o sizes.png --work-size 100,128,256
[ "$(size_of sizes.png)" = 392x156 ] || fail "sheet of work sizes: $(size_of sizes.png)"
expect 0 '' gan_colorize $w mine.png -o compare.png --compare
[ "$(size_of compare.png)" = 392x156 ] || fail "comparison of a colour photo: $(size_of compare.png)"
convert mine.png -colorspace Gray gray.png
expect 0 '' gan_colorize $w gray.png -o compare2.png --compare
[ "$(size_of compare2.png)" = 260x156 ] || fail "comparison of a gray photo: $(size_of compare2.png)"
expect 0 '' gan_colorize $w mine.png -o finer.png --work-size 256
[ "$(size_of finer.png)" = 128x128 ] || fail "--work-size 256 changed the size"
expect 2 "'12' is no size" gan_colorize $w mine.png -o never.png --work-size 12,128
expect 2 'excludes' gan_colorize $w mine.png -o never.png --raw --compare

# --- What a weights file says about itself.
expect 0 'gan, width 4, colour head chroma64' gan_colorize --info $w
for text in "$hash" 'recipe +stable' 'enc1.conv.weight +F32 +4x3x3x3' 'licence' 'ciede2000'; do
  grep -qE -- "$text" out.txt || fail "--info: no '$text' in: $(head -20 out.txt)"
done
expect 0 'checkpoint of a training run' gan_colorize --info "$(find run -name 'checkpoint-*' | tail -1)"
head -c 3000 $w >cut.bin
expect 3 'truncated' gan_colorize --info cut.bin
expect 3 'not a usable weights file' gan_colorize --info mine.png
sed 's/"file_version":"1"/"file_version":"9"/' $w >newer.bin
expect 3 'version 9.*use a newer program' gan_colorize --info newer.bin
sed 's/"width":"4"/"width":"8"/' $w >shape.bin
expect 3 'tensor enc1.conv.weight: expected shape 8x3x3x3, found 4x3x3x3' gan_colorize --info shape.bin
expect 2 'one weights file' gan_colorize --info $w mine.png

# --- Photos from the web.
mkdir web
cp album/deep/one.jpg web/photo.jpg
cp album/1.png 'web/a rose.png'
printf '<html>hello</html>' >web/page.html
python3 "$here/photo_server.py" web port.txt &
server=$!
for _ in $(seq 300); do
  [ -s port.txt ] && break
  sleep 0.1
done
export no_proxy=127.0.0.1
url=http://127.0.0.1:$(cat port.txt)
if "$bin/gan_colorize" $w "$url/photo.jpg" -o probe.png 2>&1 | grep -q 'this build cannot fetch'; then
  echo "album: URLs are not tested: the build has no libcurl"
else
  expect 0 '^photo_color.jpg' gan_colorize $w "$url/photo.jpg" --format jpg
  cmp photo_color.jpg colored/deep/one_color.jpg || fail "another result from the web"
  expect 0 '^got/redirect_color.jpg' gan_colorize $w "$url/redirect" --format jpg -o got
  cmp got/redirect_color.jpg photo_color.jpg || fail "another result behind a redirect"
  expect 0 '^got/a rose_color.png' gan_colorize $w "$url/a%20rose.png?x=1" -o got
  expect 3 'the server answers 404' gan_colorize $w "$url/nothing.jpg" -o got
  expect 3 'redirected more than 5 times' gan_colorize $w "$url/loop" -o got
  expect 3 'away from http' gan_colorize $w "$url/away" -o got
  expect 3 'looks like an HTML page' gan_colorize $w "$url/page.html" -o got
  expect 3 'larger than 100 MB' gan_colorize $w "$url/endless" -o got
  expect 3 'larger than 2 MB' gan_colorize $w "$url/surprise" -o got --url-max-mb 2
  expect 3 'takes longer than 1.0 s' gan_colorize $w "$url/drip" -o got --url-timeout 1
  expect 3 'slower than 1000 bytes/s for 1.0 s' gan_colorize $w "$url/drip" -o got --url-stall 1
  expect 3 'takes longer than 0.5 s' gan_colorize $w "$url/silent" -o got --url-timeout 0.5
  expect 3 'cannot be fetched' gan_colorize $w "$url/cut" -o got
  expect 3 'cannot be fetched' gan_colorize $w http://127.0.0.1:1/photo.jpg -o got
  expect 2 'http and https only' gan_colorize $w file:///etc/hostname -o got
  expect 1 '3 done, 0 skipped, 2 failed' gan_colorize $w "$url/photo.jpg" "$url/drip" album/1.png album/2.png \
    "$url/nothing.jpg" -o mixed --url-timeout 2
  [ "$(find got -type f | wc -l)" = 2 ] || fail "something was left of what failed: $(ls got)"
fi

no_leftovers
finish album
