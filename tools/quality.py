#!/usr/bin/env python3
"""Measures several weights files on the same validation photos, beside gray and one mean colour.

  quality.py DATA [--bin build/bin] [--json data/results/quality.json] [--paired NAME=OTHER]...
             [NAME=WEIGHTS[,OPTION...]]...

Prints a Markdown table; the JSON file holds every mean, its 95% interval and the command that made
it. OPTIONs are gan_eval's: "flip averaged=run/weights.bin,--tta,flip". --paired compares two rows photo
by photo: the mean of the differences NAME - OTHER, with its 95% interval (percentiles of 2,000
resamples of the photos, seed 1).
"""
import argparse
import json
import os
import random
import subprocess
import sys

COLUMNS = [("ciede2000", "CIEDE2000", 2), ("psnr", "PSNR", 2), ("ssim", "SSIM", 3),
           ("colorfulness_ratio", "colour", 2), ("bias_a", "bias a", 1), ("bias_b", "bias b", 1),
           ("white_chroma", "white", 1), ("hue_distance", "hues", 2), ("blotch", "blotch", 2),
           ("coherence", "coherence", 2)]


def evaluate(args, rest):
    command = ["gan_eval", *rest, args.data, "--split", "validation", "--json", "--quiet"]
    if args.c2st and "--baseline" not in rest:
        command.append("--c2st")
    done = subprocess.run([os.path.join(args.bin, command[0]), *command[1:]], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"quality.py: {' '.join(command)}: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    row = {key: found[key] for key in ("mean", "confidence95", "c2st") if key in found}
    return {"command": " ".join(command), **row}, found["photos"]


def paired(photos, others):
    """Of each measure: the mean difference over the photos that have it in both, and its interval."""
    chance = random.Random(1)
    other = {photo["name"]: photo for photo in others}
    found = {}
    for key, _, _ in COLUMNS:
        both = [(photo[key], other[photo["name"]][key]) for photo in photos]
        differences = [a - b for a, b in both if a is not None and b is not None]
        if not differences:
            continue
        means = sorted(sum(chance.choices(differences, k=len(differences))) / len(differences)
                       for _ in range(2000))
        found[key] = {"mean": sum(differences) / len(differences), "confidence95": [means[50], means[1949]]}
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="DATA", help="folder of colour photos")
    parser.add_argument("weights", nargs="*", metavar="NAME=WEIGHTS[,OPTION...]")
    parser.add_argument("--bin", default="build/bin", help="where gan_eval is")
    parser.add_argument("--paired", action="append", default=[], metavar="NAME=OTHER",
                        help="compare two rows photo by photo")
    parser.add_argument("--c2st", action="store_true", help="the two-sample test, too")
    parser.add_argument("--json", help="file for the results")
    args = parser.parse_intermixed_args()

    wanted = {"gray": ["--baseline", "gray"], "one mean colour": ["--baseline", "mean"]}
    for entry in args.weights:
        name, separator, rest = entry.partition("=")
        if not separator:
            parser.error(f"{entry}: expected NAME=WEIGHTS")
        path, *options = rest.split(",")
        wanted[name] = [*options, path]
    pairs = [tuple(entry.split("=", 1)) for entry in args.paired]
    for pair in pairs:
        if len(pair) != 2 or not set(pair) <= set(wanted):
            parser.error(f"--paired {'='.join(pair)}: expected NAME=OTHER, two of: {', '.join(wanted)}")

    rows, photos = {}, {}
    for name, rest in wanted.items():
        rows[name], photos[name] = evaluate(args, rest)
    for name, other in pairs:
        rows[name][f"minus {other}"] = paired(photos[name], photos[other])

    print("| | " + " | ".join(title for _, title, _ in COLUMNS) + " |")
    print("| --- " * (len(COLUMNS) + 1) + "|")
    for name, row in rows.items():
        mean = row["mean"]
        cells = ("" if mean[key] is None else f"{mean[key]:.{digits}f}"
                 for key, _, digits in COLUMNS)
        print(f"| {name} | " + " | ".join(cells) + " |")
    for name, other in pairs:
        found = rows[name][f"minus {other}"].get("coherence")
        if found is None:  # gray has none
            continue
        low, high = found["confidence95"]
        print(f"\n{name} is more coherent than {other} by {found['mean']:.3f} [{low:.3f}, {high:.3f}].")
    if args.json:
        with open(args.json, "w") as file:
            json.dump(rows, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
