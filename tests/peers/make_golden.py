#!/usr/bin/env python3
"""Makes golden files: training steps and generator outputs computed with PyTorch in float64.

  make_golden.py training OUT [--width 16] [--batch 4] [--steps 10] [--seed 1] [--small]
  make_golden.py demo WEIGHTS_OUT PAIR_OUT [--photos 1] [--seed 1]

tests/parity/ reads them. A training file holds the settings as metadata and
  x, y (N,C,H,W); init.g.*, init.d.*;
  step1.fake, step1.logit_real, step1.logit_fake, step1.logit_fake_for_g;
  step1.grad.d.* (of the D loss), step1.param.d.* (after Adam), step1.grad.g.*, step1.param.g.*,
  step1.buffer.* (running statistics);
  losses.d, losses.g_bce, losses.l1 (all steps); final.eval_fake (inference mode, at the end).
One step: f = G(x); D on y, then on f (detached), one Adam step on the sum of both mean BCEs; D on
f again; one Adam step of G on mean BCE + l1_weight * mean absolute error. Dropout 0, no noise.

--small is for fixtures: initial values are float16 (and the computation starts from exactly
these), pictures are multiples of 1/256 in float16, results of large tensors are left out. Of the
seeds from --seed on, --tries are tried and the one is kept whose activations stay farthest from
the kinks of ReLU, LeakyReLU and the absolute error: a unit within float32 rounding of its kink
makes float32 gradients differ from float64 ones by 1e-3 and more.

The fixtures in tests/fixtures/:
  make_golden.py training golden_w4_b2.safetensors --width 4 --batch 2 --steps 10 --small --tries 40
  make_golden.py demo demo_weights.safetensors demo_pair.safetensors
"""
import argparse
import sys

import numpy as np

import tensor_files

try:
    import torch
    import torch.nn.functional as F
    from nets import Demo, Discriminator, Generator
except ImportError as error:
    sys.exit(f"make_golden.py: {error}; PyTorch is needed (apt-get install python3-torch)")

SETTINGS = {"l1_weight": 75, "lr_g": 2e-4, "lr_d": 1e-4, "beta1": 0.5, "beta2": 0.999,
            "adam_eps": 1e-8, "bn_momentum": 0.1, "bn_eps": 1e-5, "leaky_slope": 0.2, "dropout": 0}
SMALL_LIMIT = 2000  # elements of the largest result that --small stores


def photos(count, seed, steps=256):
    """Smooth random colour pictures and their gray copies, on multiples of 1/steps."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 9, 9, generator=random, dtype=torch.float64)
    color = F.interpolate(coarse, size=(128, 128), mode="bicubic", align_corners=True)
    color += 0.1 * torch.rand(count, 3, 128, 128, generator=random, dtype=torch.float64)
    color = (color.clamp(0, 1) * (steps - 1)).round() / steps
    luma = (color * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    gray = ((luma * steps).round() / steps).expand(-1, 3, -1, -1).contiguous()
    return gray, color


def make_networks(args, seed, seen):
    torch.manual_seed(seed)
    g, d = Generator(args.width, seen), Discriminator(seen)
    for p in list(g.parameters()) + list(d.parameters()):
        if p.dim() == 1:  # batch norm and biases: no special values, all gradients count
            p.data += 0.1 * torch.randn_like(p)
        if args.small:
            p.data = p.data.half().float()
    return g.double(), d.double()


def parameters(prefix, network):
    return {prefix + name: p.detach().clone() for name, p in network.named_parameters()}


def gradients(prefix, network):
    return {prefix + name: p.grad.detach().clone() for name, p in network.named_parameters()}


def statistics(prefix, network):
    return {prefix + name: b.clone() for name, b in network.named_buffers() if b.dim() > 0}


def train(args, seed, steps):
    """Returns (tensors, smallest distance to a kink in the first step)."""
    distance = [float("inf")]

    def near(values):
        distance[0] = min(distance[0], float(values.detach().abs().min()))

    def seen(_, x):
        if recording:
            near(x)

    recording = True
    g, d = make_networks(args, seed, seen)
    x, y = photos(args.batch, seed)
    out = {"x": x, "y": y}
    for prefix, network in (("init.g.", g), ("init.d.", d)):
        out.update(parameters(prefix, network))
        out.update(statistics(prefix, network))
    betas = (SETTINGS["beta1"], SETTINGS["beta2"])
    adam_g = torch.optim.Adam(g.parameters(), SETTINGS["lr_g"], betas, SETTINGS["adam_eps"])
    adam_d = torch.optim.Adam(d.parameters(), SETTINGS["lr_d"], betas, SETTINGS["adam_eps"])
    bce = lambda logit, target: F.binary_cross_entropy_with_logits(
        logit, torch.full_like(logit, target))
    losses = {"losses.d": [], "losses.g_bce": [], "losses.l1": []}
    for step in range(steps):
        first = recording = step == 0
        f = g(x)
        real, fake = d(y), d(f.detach())
        loss_d = bce(real, 1) + bce(fake, 0)
        adam_d.zero_grad()
        loss_d.backward()
        if first:
            near(f - y)
            out.update({"step1.fake": f, "step1.logit_real": real, "step1.logit_fake": fake})
            out.update(gradients("step1.grad.d.", d))
        adam_d.step()
        if first:
            out.update(parameters("step1.param.d.", d))
        fooled = d(f)
        adversarial, l1 = bce(fooled, 1), F.l1_loss(f, y)
        adam_g.zero_grad()
        (adversarial + SETTINGS["l1_weight"] * l1).backward()
        if first:
            out["step1.logit_fake_for_g"] = fooled
            out.update(gradients("step1.grad.g.", g))
        adam_g.step()
        if first:
            out.update(parameters("step1.param.g.", g))
            out.update(statistics("step1.buffer.g.", g))
            out.update(statistics("step1.buffer.d.", d))
        for name, value in zip(losses, (loss_d, adversarial, l1)):
            losses[name].append(value.item())
    recording = False
    out.update({name: torch.tensor(curve) for name, curve in losses.items()})
    g.eval()
    with torch.no_grad():
        out["final.eval_fake"] = g(x)
    return {name: t.detach().numpy() for name, t in out.items()}, distance[0]


def stored(name, array, small):
    """The array as the file holds it, or None."""
    if not small:
        return array.astype(np.float32)
    if name in ("x", "y") or name.startswith("init."):
        half = array.astype(np.float16)
        assert (half == array).all(), f"{name} does not fit float16"
        return half
    if name == "final.eval_fake":  # compared with a limit of 1e-3, float16 is off by 2e-4
        return array.astype(np.float16)
    if name == "step1.fake" or array.size <= SMALL_LIMIT:
        return array.astype(np.float32)
    return None


def training(args):
    seed = args.seed
    if args.small and args.tries > 1:
        tried = {s: train(args, s, 1)[1] for s in range(seed, seed + args.tries)}
        seed = max(tried, key=tried.get)
    tensors, distance = train(args, seed, args.steps)
    metadata = {"width": args.width, "batch": args.batch, **SETTINGS, "steps": args.steps,
                "seed": seed, "kink_distance": f"{distance:.2g}", "oracle": "PyTorch float64"}
    kept = {name: stored(name, array, args.small) for name, array in tensors.items()}
    tensor_files.write(args.out, {n: a for n, a in kept.items() if a is not None}, metadata)
    print(f"{args.out}: width {args.width}, batch {args.batch}, {args.steps} steps, seed {seed}, "
          f"distance to the nearest kink {distance:.2g}")


def demo(args):
    torch.manual_seed(args.seed)
    network = Demo()
    for p in network.parameters():
        p.data = (1.5 * p.data).half().float()
    network.double()
    x, _ = photos(args.photos, args.seed)
    with torch.no_grad():
        y = network(x)
    weights = {name: p.detach().numpy().astype(np.float16)
               for name, p in network.named_parameters()}
    tensor_files.write(args.weights, weights, {"model": "demo", "format": "pt"})
    pair = {"x": x.numpy().astype(np.float16), "y": y.numpy().astype(np.float32)}
    tensor_files.write(args.pair, pair, {"photos": args.photos, "oracle": "PyTorch float64"})
    print(f"{args.weights}, {args.pair}: seed {args.seed}, {args.photos} photos")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    run = kinds.add_parser("training")
    run.add_argument("out")
    run.add_argument("--width", type=int, default=16)
    run.add_argument("--batch", type=int, default=4)
    run.add_argument("--steps", type=int, default=10)
    run.add_argument("--seed", type=int, default=1)
    run.add_argument("--small", action="store_true")
    run.add_argument("--tries", type=int, default=1)
    run.set_defaults(make=training)
    pair = kinds.add_parser("demo")
    pair.add_argument("weights")
    pair.add_argument("pair")
    pair.add_argument("--photos", type=int, default=1)
    pair.add_argument("--seed", type=int, default=1)
    pair.set_defaults(make=demo)
    args = parser.parse_args()
    args.make(args)


if __name__ == "__main__":
    main()
