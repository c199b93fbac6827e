#!/usr/bin/env python3
"""Measures several weights files on the same validation photos, beside gray and one mean colour.

  quality.py DATA [--bin build/bin] [--json data/results/quality.json] [NAME=WEIGHTS[,OPTION...]]...

Prints a Markdown table; the JSON file holds every mean, its 95% interval and the command that made
it. OPTIONs are gan_eval's: "flip averaged=run/weights.bin,--tta,flip".
"""
import argparse
import json
import os
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
    return {"command": " ".join(command), **row}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="DATA", help="folder of colour photos")
    parser.add_argument("weights", nargs="*", metavar="NAME=WEIGHTS[,OPTION...]")
    parser.add_argument("--bin", default="build/bin", help="where gan_eval is")
    parser.add_argument("--c2st", action="store_true", help="the two-sample test, too")
    parser.add_argument("--json", help="file for the results")
    args = parser.parse_intermixed_args()

    rows = {"gray": evaluate(args, ["--baseline", "gray"]),
            "one mean colour": evaluate(args, ["--baseline", "mean"])}
    for entry in args.weights:
        name, separator, rest = entry.partition("=")
        if not separator:
            parser.error(f"{entry}: expected NAME=WEIGHTS")
        path, *options = rest.split(",")
        rows[name] = evaluate(args, [*options, path])

    print("| | " + " | ".join(title for _, title, _ in COLUMNS) + " |")
    print("| --- " * (len(COLUMNS) + 1) + "|")
    for name, row in rows.items():
        mean = row["mean"]
        cells = ("" if mean[key] is None else f"{mean[key]:.{digits}f}"
                 for key, _, digits in COLUMNS)
        print(f"| {name} | " + " | ".join(cells) + " |")
    if args.json:
        with open(args.json, "w") as file:
            json.dump(rows, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
