#!/usr/bin/env bash
# bench.sh BIN: gan_bench from end to end: its options, and whether its files are what they claim to be.
set -u
tests=$(cd "$(dirname "$0")" && pwd) || exit 2
# shellcheck source=tests/program_checks.sh
. "$tests/program_checks.sh"
trap 'rm -rf "$work"' EXIT

quick=(gan_bench --width 4 --batch-size 1 --seconds 0.01)

# --- Levels, files.
expect 0 'demo.t2 conv_transpose_forward' "${quick[@]}" --level op --filter demo.t2 --json op.json --csv op.csv
expect 0 'stable.d.out conv_forward' "${quick[@]}" --level op --threads 1  # every operation is right
grep -q '^peaks: [0-9]* GFLOP/s, [0-9.]* GB/s' out.txt || fail "no peaks in: $(cat out.txt)"
expect 0 'classic training step' "${quick[@]}" --level step --filter classic --json step.json
grep -q 'times its convolutions' out.txt || fail "no floor in: $(cat out.txt)"
expect 0 'generator inference' "${quick[@]}" --level network --size 32 --no-convolutions --csv network.csv
! grep -q 'times its convolutions' out.txt || fail "--no-convolutions timed them"
expect 0 'JPEG 640x480 to JPEG' "${quick[@]}" --level image
expect 0 'generator inference' "${quick[@]}" --level network --filter inference --sweep --size 32 --csv sweep.csv
[ "$(wc -l <sweep.csv)" -ge 13 ] || fail "the sweep has $(wc -l <sweep.csv) lines"

expect 0 'run once for a profiler' "${quick[@]}" --level step --filter classic --profile --backend cpu
! grep -q 'median' out.txt || fail "--profile measured: $(cat out.txt)"

# Several backends side by side; what one leaves to others is not told as its own.
expect 0 'reference' "${quick[@]}" --level op --filter 'ctx2 conv_backward_weights' --backend cpu,reference --json both.json
expect 0 'enc1 batch_norm_fold.* cpu ' "${quick[@]}" --level op --filter 'enc1 batch_norm_fold' --backend cpu
expect 2 'nothing' "${quick[@]}" --level op --filter 'enc1 batch_norm_fold' --backend onednn

# --- The files, read by somebody else.
if command -v python3 >/dev/null; then
  python3 - op.json op.csv both.json step.json network.csv >out.txt 2>err.txt <<'EOF' || fail "files: $(tail -3 err.txt)"
import csv, json, sys
op, table, both, step, network = sys.argv[1:]
results = json.load(open(op))
assert results["threads"] >= 1 and results["peak_gflop_per_s"] > 0 and results["peak_gbyte_per_s"] > 0
names = [row["name"] for row in results["rows"]]
assert len(names) == len(set(names)) and len(names) >= 4, names
for row in results["rows"]:
    assert row["correct"] and row["p5_ms"] <= row["median_ms"] <= row["p95_ms"], row
    assert row["share_of_peak"] > 0 and row["memory_mb"] > 0 and row["gbyte_per_s"] > 0, row
lines = list(csv.DictReader(open(table)))
assert [line["name"] for line in lines] == names
assert all(None not in line and None not in line.values() for line in lines), "ragged lines"
assert [row["backend"] for row in json.load(open(both))["rows"]] == ["cpu", "reference"]
assert json.load(open(step))["rows"][0]["times_its_convolutions"] > 0
assert {line["size"] for line in csv.DictReader(open(network))} == {"32"}
EOF
else
  echo "bench: SKIPPED the files' content, there is no python3 to read them with"
fi

# --- The picture.
expect 0 'roofline.svg' gan_bench --plot op.json roofline.svg
if command -v python3 >/dev/null; then
  python3 -c 'import xml.dom.minidom; xml.dom.minidom.parse("roofline.svg")' 2>err.txt || fail "no XML: $(tail -1 err.txt)"
fi
expect 3 'level op' gan_bench --plot step.json x.svg
expect 3 'gan_bench --json' gan_bench --plot op.csv x.svg
expect 3 'nowhere.json' gan_bench --plot nowhere.json x.svg
absent x.svg

# --- Misuse.
expect 2 'enc2' "${quick[@]}" --level op --filter nonsense
expect 2 "'classic training step'" "${quick[@]}" --level step --filter nonsense
expect 2 'step and network' "${quick[@]}" --level op --sweep
expect 2 'not for level op' "${quick[@]}" --level op --order data
expect 2 '--level step' "${quick[@]}" --level network --profile
expect 2 'multiple of 32' "${quick[@]}" --level network --size 100
expect 2 '--backend' "${quick[@]}" --backend cpu,nonsense
expect 2 '--plot' gan_bench --plot op.json
expect 2 'did you mean --filter' "${quick[@]}" --filtre x
no_leftovers
finish bench
