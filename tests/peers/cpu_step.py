#!/usr/bin/env python3
"""The classic training step and inference, ours against PyTorch, on this machine's CPU.

  cpu_step.py [--bench build/bin/gan_bench] [--json data/results/cpu.json]

Both run in turns (ours, PyTorch contiguous, PyTorch channels-last, ours, ...) with all cores, or
with one thread as well, float32, same shapes, same recipe, and the same rule for timing: one run to warm
up, then at least three, median; of several turns again the median. What either does besides:
ours reads the losses back in every step and folds batch norm for inference, as its programs do;
PyTorch runs eagerly, and for inference also traced and frozen, which folds batch norm too. Run it
on a machine that does nothing else.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

try:
    import torch
    import torch.nn.functional as F
    from nets import Discriminator, Generator
except ImportError as error:
    sys.exit(f"cpu_step.py: {error}; PyTorch is needed (apt-get install python3-torch)")

FEWEST_REPEATS = 3  # as gan_bench
MOST_ROUNDS = 4
OURS, TRACED = "ours", "PyTorch traced"
FORMATS = {"PyTorch contiguous": torch.contiguous_format,
           "PyTorch channels-last": torch.channels_last}
INFERENCE, STEP = "inference", "training step"
OUR_ROWS = {"generator inference": INFERENCE, "classic training step": STEP}


def timed(body):
    start = time.perf_counter()
    body()
    return time.perf_counter() - start


def measure(body, seconds):
    """Median of one run's seconds."""
    warm = timed(body)
    repeats = max(FEWEST_REPEATS, min(10_000, int(seconds / warm)))
    return statistics.median(timed(body) for _ in range(repeats))


def require_fast_blas():
    """Debian's reference BLAS makes PyTorch's transposed convolutions twenty times slower: a
    comparison with that would flatter us."""
    a = torch.rand(768, 768)
    gflops = 2 * 768**3 / measure(lambda: a @ a, 0.2) / 1e9
    if gflops < 10:
        sys.exit(f"cpu_step.py: PyTorch multiplies matrices at {gflops:.1f} GFLOP/s, so it has no fast "
                 "BLAS; install one (apt-get install libopenblas0-pthread) and run again")


def make_step(width, batch, memory_format):
    g = Generator(width).to(memory_format=memory_format)
    d = Discriminator(dropout=0.3).to(memory_format=memory_format)
    adam_g = torch.optim.Adam(g.parameters(), 2e-4, (0.5, 0.999))
    adam_d = torch.optim.Adam(d.parameters(), 1e-4, (0.5, 0.999))
    x, y = (torch.rand(batch, 3, 128, 128).contiguous(memory_format=memory_format)
            for _ in range(2))
    ones, zeros = torch.ones(batch, 1), torch.zeros(batch, 1)
    bce = F.binary_cross_entropy_with_logits

    def step():
        f = g(x)
        loss = bce(d(y), ones) + bce(d(f.detach()), zeros)
        adam_d.zero_grad(set_to_none=True)
        loss.backward()
        adam_d.step()
        d.requires_grad_(False)  # only G learns from this pass
        loss = bce(d(f), ones) + 75 * F.l1_loss(f, y)
        adam_g.zero_grad(set_to_none=True)
        loss.backward()
        adam_g.step()
        d.requires_grad_(True)

    return step


def make_inference(width, batch, memory_format, traced=False):
    g = Generator(width).eval().to(memory_format=memory_format)
    x = torch.rand(batch, 3, 128, 128).contiguous(memory_format=memory_format)
    if traced:
        with torch.no_grad():
            g = torch.jit.optimize_for_inference(torch.jit.trace(g, x))

    def infer():
        with torch.no_grad():
            g(x)

    return infer


def note(times, key, seconds):
    """Keeps a measurement, and shows it: the whole takes minutes."""
    times.setdefault(key, []).append(seconds)
    print(f"{key[0]}, {key[1]} threads, {key[2]}: {seconds * 1e3:.0f} ms", file=sys.stderr)


def run_ours(bench, args, threads, seconds):
    """what -> seconds, and gan_bench's own description."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "bench.json")
        found = {}
        for level in ("network", "step"):
            command = [bench, "--level", level, "--width", args.width, "--batch-size", args.batch,
                       "--threads", threads, "--seconds", seconds, "--json", path]
            subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
            with open(path) as file:
                result = json.load(file)
            for row in result["rows"]:
                if row["name"] in OUR_ROWS:
                    found[OUR_ROWS[row["name"]]] = row["median_ms"] / 1e3
        return found, {key: result[key] for key in ("program", "device", "precision")}


def run_torch(args, threads, seconds, times):
    torch.set_num_threads(threads)
    for name, memory_format in FORMATS.items():
        body = make_inference(args.width, args.batch, memory_format)
        note(times, (INFERENCE, threads, name), measure(body, seconds))
        body = make_step(args.width, args.batch, memory_format)
        note(times, (STEP, threads, name), measure(body, seconds))
    body = make_inference(args.width, args.batch, torch.contiguous_format, traced=True)
    note(times, (INFERENCE, threads, TRACED), measure(body, seconds))


def table(times, batch):
    """Rows for people and for the file: one for each thing, thread count and program."""
    rows = []
    for (what, threads, name), seconds in sorted(times.items()):
        ours = statistics.median(times[what, threads, OURS])
        median = statistics.median(seconds)
        rows.append({"what": what, "threads": threads, "program": name, "turns": len(seconds),
                     "median_ms": round(median * 1e3, 1), "photos_per_s": round(batch / median, 2),
                     "ours_is_faster_by": round(median / ours, 3)})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default="build/bin/gan_bench", help="our program")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=1, help="for each measurement")
    parser.add_argument("--limit", type=float, default=225, help="seconds for everything")
    parser.add_argument("--one-thread", action="store_true", help="measure one thread, too (slow)")
    parser.add_argument("--json", help="file for the results")
    args = parser.parse_args()
    if not os.access(args.bench, os.X_OK):
        sys.exit(f"cpu_step.py: {args.bench} is not there; build it first or give --bench")

    require_fast_blas()
    start, times, ours, taken = time.time(), {}, {}, {}
    cores = len(os.sched_getaffinity(0))
    for turn in range(MOST_ROUNDS):
        for threads in dict.fromkeys((cores, 1) if args.one_thread else (cores,)):
            # A turn runs only if it should end in time; the first one of each always does.
            began = time.time()
            if turn > 0 and began - start + taken[threads] > args.limit:
                continue
            found, described = run_ours(args.bench, args, threads, args.seconds)
            ours = ours or described
            for what, seconds in found.items():
                note(times, (what, threads, OURS), seconds)
            run_torch(args, threads, args.seconds, times)
            taken[threads] = time.time() - began

    rows = table(times, args.batch)
    print(f"{ours['program']}; {ours['device']}")
    print(f"PyTorch {torch.__version__}; width {args.width}, batch {args.batch}, "
          f"{ours['precision']}, {time.time() - start:.0f} s")
    print(f"{'':15}{'threads':>8}  {'program':24}{'median ms':>10}{'photos/s':>10}{'turns':>7}"
          "  ours is faster by")
    for row in rows:
        print(f"{row['what']:15}{row['threads']:>8}  {row['program']:24}{row['median_ms']:>10}"
              f"{row['photos_per_s']:>10}{row['turns']:>7}  {row['ours_is_faster_by']}")
    if args.json:
        with open(args.json, "w") as file:
            json.dump({**ours, "pytorch": torch.__version__, "width": args.width,
                       "batch_size": args.batch, "rows": rows}, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
