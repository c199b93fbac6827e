#!/usr/bin/env python3
"""Draws what log.csv of one or more training runs says, as an SVG picture.

  plot_runs.py [-o accuracy.svg] [--title TEXT] RUN...

One panel a run: how often the discriminator is right on real and on generated photos, epoch after
epoch, over the band in which the game is balanced (55 to 85%).
"""
import argparse
import csv
import html
import os
import sys

WIDTH, HEIGHT, LEFT, TOP, GAP, BOTTOM = 640, 150, 56, 40, 44, 30
BAND = (0.55, 0.85)
LINES = {"d_accuracy_real": ("right on real photos", "#1f77b4"),
         "d_accuracy_fake": ("right on generated photos", "#d62728"),
         "d_accuracy": ("both", "#333333")}


def read_run(folder):
    """name -> [(epoch, value)], empty fields left out."""
    path = os.path.join(folder, "log.csv")
    try:
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        sys.exit(f"plot_runs.py: {path}: {error.strerror}")
    missing = [name for name in LINES if not rows or name not in rows[0]]
    if missing:
        sys.exit(f"plot_runs.py: {path}: no rows, or no column {missing[0]}")
    lines = {name: [(int(row["epoch"]), float(row[name])) for row in rows if row[name]]
             for name in LINES}
    return lines, int(rows[-1]["epoch"])


def panel(top, title, lines, epochs):
    def x(epoch):
        return LEFT + WIDTH * (epoch - 1) / max(epochs - 1, 1)

    def y(value):
        return top + HEIGHT * (1 - value)

    parts = [f'<text x="{LEFT}" y="{top - 8}" font-weight="bold">{html.escape(title)}</text>',
             f'<rect x="{LEFT}" y="{y(BAND[1]):.1f}" width="{WIDTH}" '
             f'height="{HEIGHT * (BAND[1] - BAND[0]):.1f}" fill="#cdeccd"/>']
    for value in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<path d="M{LEFT} {y(value):.1f}h{WIDTH}" stroke="#ccc" stroke-width=".5"/>'
                     f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">'
                     f'{100 * value:.0f}%</text>')
    for name, (_, color) in LINES.items():
        points = " ".join(f"{x(e):.1f},{y(v):.1f}" for e, v in lines[name])
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" '
                     f'stroke-width="{2 if name == "d_accuracy" else 1.2}"/>')
    parts.append(f'<text x="{LEFT + WIDTH}" y="{top + HEIGHT + 16}" text-anchor="end">'
                 f'epoch {epochs}</text>')
    return "\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder that gan_train wrote; RUN=TITLE names it")
    parser.add_argument("-o", "--out", default="accuracy.svg")
    parser.add_argument("--title", default="How often the discriminator is right")
    args = parser.parse_args()

    height = TOP + len(args.runs) * (HEIGHT + GAP) + BOTTOM
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 20} {height}" '
             'font-family="sans-serif" font-size="11">',
             '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="{LEFT}" y="18" font-size="14">{html.escape(args.title)}</text>']
    for i, run in enumerate(args.runs):
        folder, _, title = run.partition("=")
        lines, epochs = read_run(folder)
        parts.append(panel(TOP + 12 + i * (HEIGHT + GAP), title or folder, lines, epochs))
    for i, (text, color) in enumerate(LINES.values()):
        at = LEFT + 180 * i
        parts.append(f'<path d="M{at} {height - 14}h18" stroke="{color}" stroke-width="2"/>'
                     f'<text x="{at + 24}" y="{height - 10}">{text}</text>')
    parts.append("</svg>\n")
    with open(args.out, "w") as file:
        file.write("\n".join(parts))
    print(args.out)


if __name__ == "__main__":
    main()
