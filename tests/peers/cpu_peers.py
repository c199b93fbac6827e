#!/usr/bin/env python3
"""Inference and the classic training step, ours against others, on this machine's CPU.

  cpu_peers.py [--python /usr/bin/python3 --python VENV/bin/python] [--json data/results/cpu.json]

Each Python given is asked what it has: PyTorch (eager, contiguous and channels-last; for inference also
traced and frozen, which folds batch norm) and ONNX Runtime (a model of the same shapes written with
onnx.helper). What is missing is said, not made up. All run in turns (ours, a peer, ours, another peer,
ours, ...), each in a process of its own, float32, same shapes, same recipe, and the same rule for timing:
one run to warm up, then at least three, median. A ratio is of a peer's time and the mean of ours right
before and right after it; what is told is the median of the turns' ratios. Each runs with the setting of
OMP_WAIT_POLICY that is best for it (see environment_for; a setting of your own goes for all). Ours reads
the losses back in every step and folds batch norm for inference, as its programs do. Run it on a machine
that does nothing else.

Everything takes minutes; --what, --threads and --peer pick a part of it, and --merge adds its turns to those
that the --json file has already.
"""
import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

OURS, OURS_BF16 = "ours", "ours, bf16 products"
# What is measured: a level and a row of gan_bench, and the batch size.
WHATS = {"inference, batch 1": ("network", "generator inference", 1),
         "inference, batch 8": ("network", "generator inference", 8),
         "training step, batch 16": ("step", "classic training step", 16)}
WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cpu_worker.py")


def peers_of(python):
    """name -> how the worker calls it, for all that this Python can run; what it lacks is said."""
    answer = subprocess.run([python, WORKER, "list"], capture_output=True, text=True)
    if answer.returncode != 0:
        print(f"{python}: cannot be asked ({answer.stderr.strip().splitlines()[-1]})", file=sys.stderr)
        return {}
    found = json.loads(answer.stdout)
    for line in found["missing"]:
        print(f"{python}: missing: {line}", file=sys.stderr)
    return {name: (python, key) for name, key in found["peers"].items()}


def run_ours(args, what, threads, precision):
    """Seconds, and gan_bench's own description; None where it cannot run in this precision."""
    level, row, batch = WHATS[what]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "bench.json")
        command = [args.bench, "--level", level, "--filter", row, "--width", args.width, "--batch-size", batch,
                   "--threads", threads, "--seconds", args.seconds, "--precision", precision,
                   "--no-convolutions", "--json", path]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode == 4:
            return None, None
        if done.returncode != 0:
            sys.exit(f"cpu_peers.py: {' '.join(map(str, command))}: {done.stdout}{done.stderr}")
        with open(path) as file:
            result = json.load(file)
    described = {key: result[key] for key in ("program", "device", "precision")}
    return next(r["median_ms"] for r in result["rows"] if r["name"] == row) / 1e3, described


def environment_for(name):
    """PyTorch 1.13's threads get in each other's way unless they wait passively (a step took 2.8 s instead
    of 3.3 to 4.2 s). Ours loses 7% by that, PyTorch 2 10 to 20%."""
    environment = dict(os.environ)
    if name.startswith("PyTorch 1."):
        environment.setdefault("OMP_WAIT_POLICY", "passive")
    return environment


def run_peer(args, name, peer, what, threads):
    """Seconds; None where the peer cannot do this."""
    python, key = peer
    command = [python, WORKER, "measure", key, what.split(",")[0], args.width, WHATS[what][2], threads,
               args.seconds]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          env=environment_for(name))
    if done.returncode == 77:
        return None
    if done.returncode != 0:
        sys.exit(f"cpu_peers.py: {' '.join(map(str, command))}: {done.stderr}")
    return float(done.stdout)


def one_turn(args, peers, what, threads, rows):
    """Measures every peer once and ours before and after each, and keeps the pairs."""
    def keep(name, seconds, ours):
        row = rows.setdefault((what, threads, name), {"ms": [], "ours_ms": []})
        row["ms"].append(round(seconds * 1e3, 2))
        row["ours_ms"].append(round(ours * 1e3, 2))
        times = "" if name == OURS else f", {seconds / ours:.2f} times ours"
        print(f"{what}, {threads} threads, {name}: {seconds * 1e3:.1f} ms{times}", file=sys.stderr)

    def run_own():
        seconds, described = run_ours(args, what, threads, "fp32")
        keep(OURS, seconds, seconds)
        return seconds, described

    programs = {OURS_BF16: lambda: run_ours(args, what, threads, "bf16")[0]}
    for name, peer in peers.items():
        programs[name] = functools.partial(run_peer, args, name, peer, what, threads)
    before, described = run_own()
    for name, run in programs.items():
        if args.peer and args.peer not in name:
            continue
        seconds = run()
        if seconds is None:
            continue
        after, _ = run_own()
        keep(name, seconds, (before + after) / 2)
        before = after
    return described


def summary(rows, width):
    """Rows for people and for the file: one for each thing, thread count and program."""
    told = []
    for (what, threads, name), row in sorted(rows.items()):
        batch = WHATS[what][2]
        median, ours = statistics.median(row["ms"]), statistics.median(row["ours_ms"])
        ratios = [theirs / mine for theirs, mine in zip(row["ms"], row["ours_ms"])]
        told.append({"what": what, "threads": threads, "program": name, "turns": len(ratios),
                     "median_ms": median, "photos_per_s": round(batch / median * 1e3, 2),
                     "ours_median_ms": ours, "ours_photos_per_s": round(batch / ours * 1e3, 2),
                     "ours_is_faster_by": round(statistics.median(ratios), 3),
                     "ratios": [round(ratio, 3) for ratio in ratios], **row})
    return told


def print_table(told):
    print(f"{'':24}{'threads':>8}  {'program':34}{'median ms':>10}{'photos/s':>10}{'ours':>8}{'turns':>7}"
          "  ours is faster by")
    for row in told:
        print(f"{row['what']:24}{row['threads']:>8}  {row['program']:34}{row['median_ms']:>10.1f}"
              f"{row['photos_per_s']:>10}{row['ours_photos_per_s']:>8}{row['turns']:>7}"
              f"  {row['ours_is_faster_by']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--bench", default="build/bin/gan_bench", help="our program")
    parser.add_argument("--python", action="append", help="one to ask for peers; may be repeated")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=1, help="for each measurement")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--what", choices=list(WHATS), action="append", help="default: all")
    parser.add_argument("--threads", type=int, action="append", help="default: all cores, and one")
    parser.add_argument("--peer", help="only peers with this in their name")
    parser.add_argument("--json", help="file for the results")
    parser.add_argument("--merge", action="store_true", help="keep the turns that the file has")
    args = parser.parse_args()
    if not os.access(args.bench, os.X_OK):
        sys.exit(f"cpu_peers.py: {args.bench} is not there; build it first or give --bench")

    peers = {}
    for python in args.python or [sys.executable]:
        peers.update(peers_of(python))
    if args.peer and not any(args.peer in name for name in [OURS_BF16, *peers]):
        sys.exit(f"cpu_peers.py: no peer has '{args.peer}' in its name: {', '.join([OURS_BF16, *peers])}")
    rows, described, earlier = {}, {}, {}
    if args.merge and args.json and os.path.exists(args.json):
        with open(args.json) as file:
            earlier = json.load(file)
            for row in earlier["rows"]:
                rows[row["what"], row["threads"], row["program"]] = {key: row[key]
                                                                     for key in ("ms", "ours_ms")}
    for _ in range(args.turns):
        for what in args.what or WHATS:
            for threads in args.threads or sorted({cores, 1}, reverse=True):
                described = {**one_turn(args, peers, what, threads, rows), "width": args.width}
                if any(earlier.get(key, value) != value for key, value in described.items()):
                    sys.exit(f"cpu_peers.py: {args.json} is of another program, machine or width; "
                             "leave out --merge")

    told = summary(rows, args.width)
    print(f"{described['program']}; {described['device']}; width {args.width}")
    print_table(told)
    if args.json:
        with open(args.json, "w") as file:
            json.dump({**described, "rows": told}, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
