#!/usr/bin/env bash
# resume.sh BIN: a training run that is killed again and again, at moments drawn from a seed - between steps,
# while it begins, in the middle of writing a checkpoint - ends with the bytes of one that never stopped.
set -u
tests=$(cd "$(dirname "$0")" && pwd) || exit 2
# shellcheck source=tests/program_checks.sh
. "$tests/program_checks.sh"
trap 'rm -rf "$work"' EXIT

readonly kills=20 epochs=30
RANDOM=17

expect 0 '' gan_flowers photos --count 12 --seed 3
train=(photos --width 4 --batch-size 4 --epochs $epochs --supervised 0.4 --quiet)
expect 0 "done: $epochs epochs" gan_train "${train[@]}" --out whole

# A checkpoint is by far the largest file of a run, so a temporary one of more than half its size is one
# that is being written.
half=$(($(stat -c %s whole/checkpoint-*.bin | sort -n | tail -1) / 2))
writes_checkpoint() {
  local file
  for file in part/.gan-*.tmp; do
    [ "$(stat -c %s "$file" 2>/dev/null || echo 0)" -gt "$half" ] && return
  done
  return 1
}
rows() {
  local lines
  lines=$(grep -c . part/log.csv 2>/dev/null)
  echo "${lines:-0}"
}
running() { kill -0 "$pid" 2>/dev/null; }

killed=0 while_writing=0
for ((round = 0; round < kills && $(rows) <= epochs; ++round)); do
  go_on=() && [ -n "$(find part -name 'checkpoint-*.bin' 2>/dev/null)" ] && go_on=(--resume)
  "$bin/gan_train" "${train[@]}" --out part "${go_on[@]}" >out.txt 2>err.txt &
  pid=$!
  if ((round % 4 == 0)); then # as soon as it is writing a checkpoint
    while running && ! writes_checkpoint; do :; done
  elif ((round % 4 == 1)); then # any time in its first moments
    sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
  else # a while after it has ended an epoch
    before=$(rows)
    while running && [ "$(rows)" = "$before" ]; do sleep 0.01; done
    sleep "0.0$((RANDOM % 10))"
  fi
  kill -KILL "$pid" 2>/dev/null && killed=$((killed + 1))
  wait "$pid" 2>/dev/null
  writes_checkpoint && while_writing=$((while_writing + 1)) # it never will be whole
done
[ "$killed" = "$kills" ] || fail "killed $killed times, expected $kills: $(tail -1 err.txt)"
[ "$while_writing" -ge 1 ] || fail "never killed while a checkpoint was written"
expect 0 "done: $epochs epochs" gan_train photos --out part --resume --quiet

for file in weights.bin last.bin supervised.bin steps.csv layers.csv events.csv samples; do
  [ ! -e whole/$file ] && [ ! -e part/$file ] && continue
  diff -rq whole/$file part/$file || fail "another $file after $killed kills"
done
# All of the log but what the clock says.
for run in whole part; do cut -d, -f1,2,5- $run/log.csv >$run.csv; done
cmp whole.csv part.csv || fail "another log.csv after $killed kills"
no_leftovers

echo "resume: killed $killed times, $while_writing of them while a checkpoint was written"
finish resume
