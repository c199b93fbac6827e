#!/usr/bin/env python3
"""Writes the comparison page of reproduce_original.sh: OUT/index.html, one file, and OUT/original.json.

  original_page.py OUT --models autoencoder5,...,gan

Shows every model that OUT holds: photos, metrics, curves, the discriminators' accuracy. Numbers are those of
gan_eval and of the runs' log.csv; the style is that of a run's page (train/report/style.css).
"""
import argparse
import base64
import csv
import html
import json
import math
import os
import struct
import sys

STYLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "train", "report", "style.css")
NAMES = {"gray": "left gray", "surviving": "the original's surviving weights"}
METRICS = [("ciede2000", "CIEDE2000", 2, min), ("psnr", "PSNR", 2, max), ("ssim", "SSIM", 3, max),
           ("colorfulness_ratio", "colour", 2, None), ("bias_a", "bias a", 1, None),
           ("bias_b", "bias b", 1, None), ("white_chroma", "white", 1, None),
           ("hue_distance", "hues", 2, min), ("blotch", "blotch", 2, None)]
LAYOUT = """
.rows { display: grid; grid-template-columns: 148px repeat(var(--photos), minmax(0, 1fr)); gap: 4px; margin-top: 16px; }
.rows span { align-self: center; color: var(--soft); font-size: 13px; padding-right: 8px; overflow-wrap: anywhere; }
.rows img { display: block; width: 100%; aspect-ratio: 1; background: var(--hair); }
.models { display: grid; grid-template-columns: repeat(auto-fill, minmax(280px, 1fr)); gap: 24px 32px; margin-top: 12px; }
.models svg { cursor: auto; }
.metrics th, .metrics td { text-align: right; }
.metrics td:first-child, .metrics th:first-child { text-align: left; white-space: normal; min-width: 118px; }
.metrics .most { font-weight: 650; }
.dot { stroke-width: 0; }
.dot.s1 { fill: var(--series-1); } .dot.s2 { fill: var(--series-2); } .dot.s3 { fill: var(--series-3); }
.dot.s4 { fill: var(--series-4); }
@media (max-width: 720px) {
  .rows { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .rows span { grid-column: 1 / -1; margin-top: 8px; }
}
"""


def read_json(path):
    try:
        with open(path) as file:
            return json.load(file)
    except OSError:
        return None
    except ValueError as error:
        sys.exit(f"original_page.py: {path}: {error}; remove it and start reproduce_original.sh again")


def read_log(path):
    """name -> values, None where empty; every row is an epoch."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) if row[name] else None for row in rows] for name in rows[0]}


def read_header(path):
    """(metadata, number of learned values) of a weights file."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    metadata = header.pop("__metadata__")
    return metadata, sum(math.prod(tensor["shape"]) for name, tensor in header.items()
                         if ".running_" not in name)


def read_text(path):
    with open(path) as file:
        return file.read().strip()


def quality(folder, kind):
    """What gan_eval said, without the single photos."""
    found = read_json(os.path.join(folder, kind + ".json"))
    return found and {"photos": len(found["photos"]), "mean": found["mean"],
                      "confidence95": found["confidence95"]}


def collect(out, models):
    """Everything that the page tells, as original.json holds it."""
    rows = {}
    for name in ["gray", "surviving"] + models:
        folder = os.path.join(out, name)
        row = {kind: quality(folder, kind) for kind in ("rgb", "own_luma")}
        row = {kind: measured for kind, measured in row.items() if measured}
        if not row:
            continue
        if name in models:
            metadata, parameters = read_header(os.path.join(folder, "weights.bin"))
            log = read_log(os.path.join(folder, "log.csv"))
            row["training"] = {
                "command": read_text(os.path.join(folder, "trained")), "version": metadata["version"],
                "recipe": metadata["recipe"], "parameters": parameters, "data": metadata["data"],
                "epochs": len(log["epoch"]), "steps": int(log["step"][-1]),
                "photos_seen": int(log["step"][-1]) * int(metadata["batch_size"]),
                "seconds": log["seconds"][-1],
                "best_epoch": int(metadata["epoch"]), "log": log}
        rows[name] = row
    return {"settings": read_text(os.path.join(out, "settings.txt")), "rows": rows}


# --- Curves.
def ticks(low, high):
    rough = (high - low) / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-6)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [(i * step, digits) for i in range(first, math.floor(high / step + 1e-6) + 1)]


def chart(title, note, log, curves, low=None, high=None, band=None):
    """An SVG picture of columns of log.csv over the epochs; "" where they hold nothing."""
    curves = [(column, label) for column, label in curves if any(v is not None for v in log.get(column, []))]
    if not curves:
        return ""
    width, height, left, right, top, bottom = 340, 180, 46, 330, 12, 154
    values = [v for column, _ in curves for v in log[column] if v is not None]
    air = (max(values) - min(values) or abs(max(values)) or 1) * 0.08
    low = min(values) - air if low is None else min(low, *values)
    high = max(values) + air if high is None else max(high, *values)
    epochs = log["epoch"]
    span = max(epochs[-1] - epochs[0], 1)
    single = len(epochs) == 1

    def x(epoch):
        return (left + right) / 2 if single else left + (right - left) * (epoch - epochs[0]) / span

    def y(value):
        return bottom - (bottom - top) * (value - low) / (high - low)

    parts = []
    if band:
        parts.append(f'<rect class="healthy" x="{left}" y="{y(band[1]):.1f}" width="{right - left}" '
                     f'height="{y(band[0]) - y(band[1]):.1f}"/>')
    for value, digits in ticks(low, high):
        parts.append(f'<path class="grid" d="M{left} {y(value):.1f}H{right}"/><text x="{left - 6}" '
                     f'y="{y(value) + 4:.1f}" text-anchor="end">{value:.{digits}f}</text>')
    parts.append(f'<path class="axis" d="M{left} {bottom}H{right}"/>')
    for epoch in {epochs[0], epochs[-1]}:
        parts.append(f'<text x="{x(epoch):.1f}" y="{bottom + 17}" text-anchor="middle">{epoch:.0f}</text>')
    parts.append(f'<text x="{(left + right) / 2 + (24 if single else 0)}" y="{bottom + 17}" '
                 f'text-anchor="{"start" if single else "middle"}">epoch</text>')
    key = []
    for i, (column, label) in enumerate(curves, 1):
        points = [(x(e), y(v)) for e, v in zip(epochs, log[column]) if v is not None]
        path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
        parts.append(f'<path class="curve s{i}" d="{path}"/>')
        if len(points) <= 12:
            parts += [f'<circle class="dot s{i}" r="2.6" cx="{a:.1f}" cy="{b:.1f}"/>' for a, b in points]
        last = next(v for v in reversed(log[column]) if v is not None)
        key.append(f'<span><svg aria-hidden="true" viewBox="0 0 22 8"><path class="curve s{i}" d="M0 4H22"/>'
                   f'</svg>{html.escape(label)} <b>{last:.{2 if abs(last) >= 1 else 4}f}</b></span>')
    label = html.escape(f"{title}, {note}")
    return (f'<div class="chart"><h3>{html.escape(title)}</h3><p class="note">{html.escape(note)}</p>'
            f'<p class="readout">{"".join(key)}</p>'
            f'<svg role="img" aria-label="{label}" viewBox="0 0 {width} {height}">{"".join(parts)}</svg></div>')


def curves_of(name, training):
    log = training["log"]
    charts = [
        chart("Loss", "on training photos" + (", unweighted" if "l1" in log else ""), log,
              [("mse", "MSE"), ("l1", "L1")], low=0),
        chart("Adversarial losses", "of the generator and of the discriminator", log,
              [("g_adversarial", "G"), ("d_loss_real", "D real"), ("d_loss_fake", "D fake"),
               ("d_loss_noise", "D noise")], low=0),
        chart("How often D is right", "of 100 photos, after every epoch; in the band the game is balanced", log,
              [("d_accuracy_real", "real"), ("d_accuracy_fake", "fake")], 0, 1, (0.55, 0.85)),
        chart("Colour difference", "CIEDE2000 of photos it has not seen, on their own luma", log,
              [("ciede2000", "mean")])]
    return f'<h3 class="group">{html.escape(name)}</h3><div class="models">{"".join(charts)}</div>'


# --- Tables and photos.
def cell(text, kind="td", most=False):
    return f'<{kind}{" class=most" if most else ""}>{html.escape(str(text))}</{kind}>'


def metrics_table(rows, kind):
    names = [name for name in rows if kind in rows[name]]
    lines = ["<tr>" + cell("", "th") + "".join(cell(title, "th") for _, title, _, _ in METRICS) + "</tr>"]
    for name in names:
        cells = [cell(NAMES.get(name, name))]
        for key, _, digits, better in METRICS:
            value = rows[name][kind]["mean"][key]
            shown = "" if value is None else f"{value:.{digits}f}"
            all_values = [rows[n][kind]["mean"][key] for n in names]
            cells.append(cell(shown, most=better and value == better(v for v in all_values if v is not None)))
        lines.append("<tr>" + "".join(cells) + "</tr>")
    return f'<div class="scroll"><table class="metrics">{"".join(lines)}</table></div>'


def training_table(rows):
    lines = ["<tr>" + "".join(cell(t, "th") for t in ("", "loss", "parameters", "epochs", "photos seen",
                                                     "minutes", "D right on real, fake")) + "</tr>"]
    losses = {"reconstruction": "MSE", "classic": "BCE + 75 L1"}
    for name, row in rows.items():
        t = row.get("training")
        if not t:
            continue
        log = t["log"]
        accuracy = [log[c][-1] for c in ("d_accuracy_real", "d_accuracy_fake") if c in log]
        lines.append("<tr>" + "".join(map(cell, (
            name, losses[t["recipe"]], f"{t['parameters']:,}", t["epochs"], f"{t['photos_seen']:,}",
            f"{t['seconds'] / 60:.1f}", ", ".join(f"{100 * a:.0f}%" for a in accuracy) or "-"))) + "</tr>")
    return f'<div class="scroll"><table class="metrics">{"".join(lines)}</table></div>'


def pictures(folder):
    """Every PNG below a folder as data URIs, in the order of the photos' names, gray or coloured."""
    paths = sorted((os.path.join(root, file) for root, _, files in os.walk(folder)
                    for file in files if file.endswith(".png")),
                   key=lambda path: path.replace("_color.png", ".png"))
    uris = []
    for path in paths:
        with open(path, "rb") as file:
            uris.append("data:image/png;base64," + base64.b64encode(file.read()).decode())
    return uris


def album(out, rows):
    shown = [("gray", os.path.join(out, "photos", "gray"))]
    shown += [(NAMES.get(n, n), os.path.join(out, n, "painted")) for n in rows if n != "gray"]
    shown.append(("truth", os.path.join(out, "photos", "color")))
    strips = [(name, pictures(folder)) for name, folder in shown]
    count = len(strips[0][1])
    parts = []
    for name, images in strips:
        parts.append(f"<span>{html.escape(name)}</span>")
        parts += [f'<img alt="photo {i + 1}, {html.escape(name)}" src="{uri}">' for i, uri in enumerate(images)]
    return f'<div class="rows" style="--photos:{count}">{"".join(parts)}</div>'


def page(out, found):
    rows = found["rows"]
    trained = {name: row["training"] for name, row in rows.items() if "training" in row}
    photos = next(iter(rows.values()))["own_luma"]["photos"]
    commands = "\n".join(t["command"] for t in trained.values())
    with open(STYLE) as file:
        style = file.read()
    missing = "" if "surviving" in rows else (
        '<p class="hint">The original\'s surviving weights were not at hand (--original).</p>')
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>The original's models, trained again</title>
<style>
{style}{LAYOUT}</style>
</head>
<body>
<main>
<header>
<p class="kind">Comparison</p>
<h1>The original's models, trained again</h1>
<p class="lead">Every model that the original project tried, each with its own loss, all on one budget. {photos:,} photos that none of them was trained on measure how good they are. ({html.escape(found["settings"])})</p>
</header>

<section>
<h2>Photos</h2>
<p class="hint">What the networks are given, the red, green and blue that each makes of it, and the truth. None was trained on these.</p>
{album(out, rows)}
{missing}</section>

<section>
<h2>Metrics: the network's own red, green and blue</h2>
<p class="hint">As the original showed its results. Lower is better but for PSNR and SSIM (higher) and colour (1); the bias is best at 0. Bold: the best of the column.</p>
{metrics_table(rows, "rgb")}
<h2>Metrics: its colours on the photo's own luma</h2>
<p class="hint">As gan_colorize writes photos: no detail is lost, and only the colours count.</p>
{metrics_table(rows, "own_luma")}
</section>

<section>
<h2>Training</h2>
{training_table(rows)}
</section>

<section>
<h2>Curves</h2>
{"".join(curves_of(name, t) for name, t in trained.items())}
</section>

<section>
<h2>Commands</h2>
<pre><code>{html.escape(commands)}</code></pre>
</section>
</main>
</body>
</html>
"""


def write(path, text):
    with open(path + ".part", "w") as file:
        file.write(text)
    os.replace(path + ".part", path)
    print(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUT")
    parser.add_argument("--models", required=True, help="in the order of the page")
    args = parser.parse_args()
    found = collect(args.out, args.models.split(","))
    if not found["rows"]:
        sys.exit(f"original_page.py: {args.out}: nothing was measured there")
    write(os.path.join(args.out, "original.json"), json.dumps(found, indent=1) + "\n")
    write(os.path.join(args.out, "index.html"), page(args.out, found))


if __name__ == "__main__":
    main()
