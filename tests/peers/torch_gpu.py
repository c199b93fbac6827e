#!/usr/bin/env python3
"""PyTorch on a GPU at our benchmark: the classic training step and inference, data on the device.

  torch_gpu.py [--json FILE] [--modes eager,bf16,compiled,graphs,autotuned] [--time-limit SECONDS]

Modes: eager (float32, as PyTorch comes), bf16 (channels-last, autocast to bfloat16), compiled (the same
through torch.compile for fixed shapes), graphs (the same, and the whole step in a CUDA graph), autotuned
(graphs with --mode max-autotune: convolutions may become Triton's). Training at batch 64, 16 and 256 with
fused Adam and no gradients that nobody needs, inference in eval mode at batch 1 and 64. Median over at
least ten bursts, timed with CUDA events, as gan_bench times its own. What matters most comes first, and
compiling takes most of the time. A mode that fails says why and does not stop the others; exit code 0
when something was measured, 1 when nothing was, 77 without PyTorch or a GPU.
"""
import argparse
import json
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
try:
    import torch
    import torch.nn.functional as F
    from nets import Discriminator, Generator
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

WIDTH, SIZE, DROPOUT, L1_WEIGHT = 64, 128, 0.3, 75
MODES = ("eager", "bf16", "compiled", "graphs", "autotuned")
COMPILED, GRAPHS = MODES[2:], MODES[3:]
WORK = (("training step", 64), ("training step", 16), ("inference", 1), ("inference", 64),
        ("training step", 256))
MOST_BURST, BURST_SECONDS = 20, 0.05


def measure(run, seconds):
    """Median milliseconds from one run to the next, in bursts."""
    for _ in range(3):
        run()

    def burst(count):
        begin, done = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(count):
            run()
        done.record()
        done.synchronize()
        return begin.elapsed_time(done) / count

    torch.cuda.synchronize()
    count = max(1, min(MOST_BURST, int(1e3 * BURST_SECONDS / burst(3))))
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end or len(times) < 10:
        times.append(burst(count))
    return statistics.median(times)


def memory_format(mode):
    return torch.contiguous_format if mode == "eager" else torch.channels_last


def photos(batch, mode):
    values = torch.rand(batch, 3, SIZE, SIZE, device="cuda")
    return values.contiguous(memory_format=memory_format(mode))


def compiled(network, mode):
    if mode not in COMPILED:
        return network
    torch.compiler.reset()  # or another batch size would count as a dynamic shape
    return torch.compile(network, dynamic=False,
                         mode="max-autotune-no-cudagraphs" if mode == "autotuned" else None)


def captured(step):
    """The step as one CUDA graph, after a warm-up in a stream of its own."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(5):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def training_step(mode, batch):
    g = Generator(WIDTH).cuda().to(memory_format=memory_format(mode))
    d = Discriminator(dropout=DROPOUT).cuda().to(memory_format=memory_format(mode))
    options = {"betas": (0.5, 0.999), "fused": True, "capturable": mode in GRAPHS}
    g_adam = torch.optim.Adam(g.parameters(), 2e-4, **options)
    d_adam = torch.optim.Adam(d.parameters(), 1e-4, **options)
    generate, judge = compiled(g, mode), compiled(d, mode)
    gray, color = photos(batch, mode), photos(batch, mode)

    def autocast():
        return torch.autocast("cuda", torch.bfloat16, enabled=mode != "eager")

    def bce(logits, real):
        target = torch.ones_like if real else torch.zeros_like
        return F.binary_cross_entropy_with_logits(logits.float(),
                                                  target(logits, dtype=torch.float32))

    def step():
        with autocast():
            fake = generate(gray)
            d_loss = bce(judge(color), True) + bce(judge(fake.detach()), False)
        d_adam.zero_grad()
        d_loss.backward()
        d_adam.step()
        d.requires_grad_(False)  # this loss is for the generator alone
        with autocast():
            g_loss = bce(judge(fake), True) + L1_WEIGHT * F.l1_loss(fake.float(), color)
        g_adam.zero_grad()
        g_loss.backward()
        g_adam.step()
        d.requires_grad_(True)

    return captured(step) if mode in GRAPHS else step


def inference(mode, batch):
    g = Generator(WIDTH).cuda().eval().to(memory_format=memory_format(mode))
    gray = photos(batch, mode)
    if mode != "eager":
        g, gray = g.bfloat16(), gray.bfloat16()
    run_network = compiled(g, mode)

    def run():
        with torch.no_grad():
            run_network(gray)

    return captured(run) if mode in GRAPHS else run


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json")
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--seconds", type=float, default=1, help="to measure each for")
    parser.add_argument("--time-limit", type=float, default=1e9,
                        help="begin nothing new after so many seconds")
    options = parser.parse_args()
    modes = options.modes.split(",")
    if not set(modes) <= set(MODES):
        parser.error(f"modes are {', '.join(MODES)}")
    if not torch.cuda.is_available():
        print("skipped: PyTorch sees no GPU")
        return 77
    start = time.monotonic()
    torch.backends.cudnn.benchmark = True
    header = {"torch": torch.__version__, "cudnn": torch.backends.cudnn.version(),
              "gpu": torch.cuda.get_device_name()}
    print(", ".join(f"{key} {value}" for key, value in header.items()))
    rows = []

    def write():
        if options.json:
            with open(options.json, "w", encoding="utf-8") as file:
                json.dump({**header, "rows": rows}, file, indent=2)

    for mode, kind, batch in [(mode, *what) for what in WORK for mode in modes]:
        row = {"mode": mode, "what": kind, "batch_size": batch}
        if time.monotonic() - start > options.time_limit:
            row["error"] = "no time left"
        else:
            try:
                make = training_step if kind == "training step" else inference
                row["median_ms"] = measure(make(mode, batch), options.seconds)
                row["photos_per_s"] = 1e3 * batch / row["median_ms"]
            except Exception as error:  # pylint: disable=broad-except
                row["error"] = str(error).strip().split("\n")[0][:200]
                torch.cuda.empty_cache()
        rows.append(row)
        result = row.get("error") or f"{row['median_ms']:.3f} ms, {row['photos_per_s']:.0f} photos/s"
        print(f"{mode:9} {kind:14} batch {batch:4}: {result}", flush=True)
        write()
    measured = sum("median_ms" in row for row in rows)
    print(f"{measured} of {len(rows)} measured")
    return 0 if measured else 1


if __name__ == "__main__":
    sys.exit(main())
