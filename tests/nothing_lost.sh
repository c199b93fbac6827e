#!/usr/bin/env bash
# nothing_lost.sh BIN: training into a folder that is too small, cannot be written, fills up, turns read-only or
# vanishes. It has to say so, go on, keep what was saved, and reach the same bytes in the end. File systems of
# the test's own are needed: where they may not be mounted, those parts are skipped, which is said and counted.
set -u
script=$(realpath "$0") tests=$(cd "$(dirname "$0")" && pwd) || exit 2
# In a name space of its own the test may mount, and nothing stays behind.
if [ -z "${GAN_OWN_MOUNTS:-}" ] && unshare --user --map-root-user --mount true 2>/dev/null; then
  GAN_OWN_MOUNTS=yes exec unshare --user --map-root-user --mount bash "$script" "$@"
fi
# shellcheck source=tests/program_checks.sh
. "$tests/program_checks.sh"
trap 'umount "$work/disk" 2>/dev/null; rm -rf "$work"' EXIT
skipped=0

# disk SIZE: an empty file system in disk/; false where that is not allowed.
disk() {
  umount disk 2>/dev/null
  mkdir -p disk && mount -t tmpfs -o "size=$1" tmpfs disk 2>/dev/null
}
skip() {
  echo "nothing_lost: SKIPPED $*, no file system may be mounted here"
  skipped=$((skipped + 1))
}
fill() {
  dd if=/dev/zero of=disk/filler bs=64k 2>/dev/null
  sync
}

lines_of() {
  local lines
  lines=$(grep -c . "$1" 2>/dev/null)
  echo "${lines:-0}"
}

readonly epochs=12
train=(photos --width 4 --batch-size 4 --epochs $epochs --supervised 0.4 --quiet)
# while_training DISASTER...: trains into disk/run and has DISASTER happen after two epochs or some more. The
# exit code is that of training; its messages are in out.txt and err.txt.
while_training() {
  "$bin/gan_train" "${train[@]}" --out disk/run >out.txt 2>err.txt &
  local pid=$!
  while kill -0 $pid 2>/dev/null && [ "$(lines_of disk/run/log.csv)" -lt 3 ]; do sleep 0.01; done
  kill -STOP $pid || fail "training ended before $*"
  "$@" || fail "$* did not work"
  kill -CONT $pid
  wait $pid
}
rest_of_the_run() {
  expect 0 "done: $epochs epochs" gan_train photos --out disk/run --resume --quiet
  same_run
}
same_run() {
  for file in weights.bin last.bin supervised.bin steps.csv layers.csv; do
    cmp whole/$file disk/run/$file || fail "another $file"
  done
  [ "$(lines_of disk/run/log.csv)" = $((epochs + 1)) ] || fail "log.csv has $(lines_of disk/run/log.csv) lines"
}

expect 0 '' gan_flowers photos --count 12 --seed 3
expect 0 "done: $epochs epochs" gan_train "${train[@]}" --out whole
colorize=(gan_colorize disk/run/weights.bin photos/flower_images/0001.png -o colored.png --force)

# The folder vanishes: it is made anew, with all but the samples and checkpoints of before.
mkdir disk
while_training rm -r disk/run || fail "training into a folder that vanished: $(tail -1 err.txt)"
grep -q 'warning: .*vanished and is made anew' err.txt || fail "nothing said of a folder that vanished: $(cat err.txt)"
same_run
expect 0 'colored.png' "${colorize[@]}"

# Something else in its place: nothing can be saved, which is an error in the end.
rm -r disk/run
replace() { rm -r disk/run && echo 'in the way' >disk/run; }
while_training replace
[ $? = 3 ] || fail "training with a file in the folder's place did not exit 3"
grep -q '^gan_train: .*disk/run' err.txt || fail "no last word: $(cat err.txt)"
rm disk/run

if disk 1m; then
  expect 3 'No space left' gan_train "${train[@]}" --out disk/run # room for a checkpoint is there, or no step is taken
  absent disk/run/log.csv
  mount -o remount,ro disk
  expect 3 'disk/other.*Read-only' gan_train "${train[@]}" --out disk/other

  # The disk fills up: what is there stays, and the run goes on from there when there is room.
  disk 40m
  while_training fill
  [ $? = 3 ] || fail "training on a full disk did not exit 3"
  grep -q 'warning: .*No space left.*tried again' err.txt || fail "no warning of a full disk: $(cat err.txt)"
  grep -qE 'gan_train: .*--resume goes on from there once there is room' err.txt || fail "$(tail -1 err.txt)"
  no_leftovers
  expect 0 'colored.png' "${colorize[@]}"
  rm disk/filler
  rest_of_the_run

  # The disk turns read-only. It cannot while a file is open for writing: then training goes on a little.
  disk 40m
  read_only() {
    for _ in $(seq 100); do
      mount -o remount,ro disk 2>busy.txt && return
      kill -CONT "$pid"
      sleep 0.01
      kill -STOP "$pid" || break
    done
    cat busy.txt
    return 1
  }
  while_training read_only
  [ $? = 3 ] || fail "training on a disk that turned read-only did not exit 3"
  grep -q 'warning: .*Read-only' err.txt || fail "no warning of a read-only disk: $(cat err.txt)"
  expect 0 'colored.png' "${colorize[@]}"
  expect 3 'Read-only' gan_train photos --out disk/run --resume
  mount -o remount,rw disk
  rest_of_the_run
else
  skip "full and read-only disks"
fi

echo "nothing_lost: $skipped parts skipped"
finish nothing_lost
