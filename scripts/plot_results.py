#!/usr/bin/env python3
"""Draws what benchmarks/gpu and scripts/gpu_torch.py measured on a device:

    scripts/plot_results.py benchmarks/results/GPU/*.jsonl --out docs/images

    lstm-speed-TYPE.svg    the LSTM, forward and backward: how many times as fast as each peer, by workload and size
    train-speed-TASK.svg   the training step, likewise
    floor-TYPE.svg         the share of the floor (the time that measured ceilings leave) by workload and size

Of each algorithm the quicker of stream and graph counts, ragtime's and the peers' alike, and of ragtime's algorithms the
quickest; cuts that a sweep forced do not. What was not measured is not drawn,
and a picture without anything in it is not written. A card has its own background and follows the viewer's preference for
dark or light.
"""

import argparse
import math
import pathlib
import sys
from xml.sax.saxutils import escape

from compare_results import is_own, quickest, read_rows

LIGHT = {"card": "#ffffff", "edge": "#d0d7de", "text": "#1f2328", "note": "#59636e", "grid": "#d8dee4", "one": "#59636e",
         "s0": "#0969da", "s1": "#bc4c00", "s2": "#1a7f37", "s3": "#8250df"}
DARK = {"card": "#161b22", "edge": "#3d444d", "text": "#f0f6fc", "note": "#9198a1", "grid": "#2b313a", "one": "#9198a1",
        "s0": "#4493f8", "s1": "#f0883e", "s2": "#3fb950", "s3": "#ab7df8"}
WIDTH, MARGIN, LEFT, RIGHT, BAR, PAD = 860, 24, 190, 80, 13, 10  # RIGHT: room for the number behind the longest bar
SERIES = 4
WORKLOADS = ("mimic", "synthea", "claims", "skew", "large", "flashrnn", "rollout")
SIZES = ("small", "medium", "large")


def style(palette):
    fills = "".join(f".{name}{{fill:{color}}}" for name, color in palette.items() if name not in ("edge", "grid", "one"))
    return fills + (f".card{{stroke:{palette['edge']}}}.grid{{stroke:{palette['grid']}}}"
                    f".one{{stroke:{palette['one']};stroke-dasharray:4 3}}")


def order(group):
    """Workloads and sizes in the order of the design; others behind, by name."""
    def place(names, name):
        return (names.index(name), "") if name in names else (len(names), name)

    return place(WORKLOADS, group[0]), place(SIZES, group[1])


class Axis:
    """Logarithmic for ratios, from 0 to 1 for shares."""

    def __init__(self, values, ratio):
        self.ratio = ratio
        if ratio:
            self.low = min(1.0, *values) / 1.15
            self.high = max(1.0, *values) * 1.15
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            ticks = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
        else:
            self.low, self.high = 0.0, max(1.0, *values)
            ticks = [tenth / 5 for tenth in range(math.floor(self.high * 5 + 1e-9) + 1)]
        self.ticks = [tick for tick in ticks if self.low <= tick <= self.high]

    def x(self, value):
        low, high = (math.log(self.low), math.log(self.high)) if self.ratio else (self.low, self.high)
        share = ((math.log(value) if self.ratio else value) - low) / (high - low)
        return LEFT + share * (WIDTH - MARGIN - RIGHT - LEFT)

    def name(self, value):
        return f"{value:g}x" if self.ratio else f"{value * 100:.0f} %"

    def number(self, value):
        if not self.ratio:
            return f"{value * 100:.0f} %"
        return f"{value:.0f}x" if value >= 99.5 else f"{value:.1f}x" if value >= 9.95 else f"{value:.2f}x"


def text(x, y, words, kind="text", size=13, anchor="start", weight=400):
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" font-size="{size}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escape(words)}</text>')


def draw(title, note, series, groups, ratio):
    """series: names. groups: [(workload, size)] -> {name of a series: value}."""
    axis = Axis([value for bars in groups.values() for value in bars.values()], ratio)
    shapes = [text(MARGIN, 36, title, size=16, weight=600), text(MARGIN, 56, note, "note", 12)]
    x, y = MARGIN, 80
    for i, name in enumerate(series):
        wide = 26 + 7.6 * len(name)
        if x + wide > WIDTH - MARGIN:
            x, y = MARGIN, y + 20
        shapes += [f'<rect x="{x}" y="{y - 10}" width="12" height="12" rx="2" class="s{i}"/>', text(x + 18, y, name, size=12)]
        x += wide
    top = y = y + 22
    bars = []
    for group in sorted(groups, key=order):
        values = groups[group]
        middle = y + PAD + len(values) * BAR / 2
        bars.append(text(LEFT - 12, middle + 4, " ".join(group), size=13, anchor="end"))
        y += PAD
        for i, name in enumerate(series):
            if name not in values:
                continue
            start, end = sorted((axis.x(1.0 if ratio else 0.0), axis.x(values[name])))
            bars.append(f'<rect x="{start:.1f}" y="{y + 1:.1f}" width="{max(end - start, 1):.1f}" height="{BAR - 2}" rx="2" '
                        f'class="s{i}"/>')
            bars.append(text(end + 5, y + BAR - 2.5, axis.number(values[name]), "note", 11))
            y += BAR
        y += PAD
    grid = [f'<path d="M{axis.x(tick):.1f} {top}V{y}" class="{"one" if ratio and tick == 1 else "grid"}"/>'
            f'{text(axis.x(tick), y + 18, axis.name(tick), "note", 11, "middle")}' for tick in axis.ticks]
    height = y + 18 + MARGIN
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{style(LIGHT)}@media (prefers-color-scheme: dark){{{style(DARK)}}}</style>",
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8" class="card"/>',
        *grid, *bars, *shapes, "</svg>", ""])


def speeds(rows, own, peers):
    """own: of a row. peers: name -> of a row. Names of those that have bars, and the groups."""
    mine, groups = quickest(rows, own), {}
    for name, chosen in peers.items():
        for group, row in quickest(rows, chosen).items():
            if group in mine:
                groups.setdefault(group, {})[name] = row["ms"] / mine[group]["ms"]
    return [name for name in peers if any(name in bars for bars in groups.values())], groups


def lstm_speed(rows, dtype):
    rows = [row for row in rows if row["operation"] == "lstm" and row["pass"] == "forward_backward" and row["dtype"] == dtype]

    def algorithm(test):
        return lambda row: test(row["algorithm"])

    return speeds(rows, is_own, {
        "cuDNN packed (STANDARD)": algorithm(lambda name: name == "cudnn_standard_packed"),
        "cuDNN's best padded": algorithm(lambda name: name.startswith("cudnn_") and "_padded" in name),
        "PyTorch packed": algorithm(lambda name: name == "torch_packed"),
        "PyTorch padded": algorithm(lambda name: name == "torch_padded")})


def train_speed(rows, task):
    rows = [row for row in rows if row["operation"] == "train_step"]

    def torch(kind, dtype):
        return lambda row: row["algorithm"] == f"torch_{kind}_{task}" and row["dtype"] == dtype

    # The peers' types beside the same of ours: bf16 against bf16.
    return speeds([row for row in rows if row["dtype"] == "bf16"], lambda row: row["algorithm"] in (task, f"{task}_any_batch"),
                  {"PyTorch eager": torch("eager", "bf16"), "PyTorch compiled": torch("compile", "bf16")})


def floors(rows, dtype):
    """Forward and backward of the LSTM, and the operations that move bytes."""
    rows = [row for row in rows if row["dtype"] == dtype and is_own(row)]
    groups = {}
    for name, operation, passes in (("LSTM", "lstm", ("forward_backward",)), ("pooling", "segment_pool", ("forward",))):
        chosen = [row for row in rows if row["operation"] == operation and row["pass"] in passes and "share_of_floor" in row
                  and (operation != "segment_pool" or row["algorithm"] == "mean")]
        for group, row in quickest(chosen, lambda row: True).items():
            groups.setdefault(group, {})[name] = row["share_of_floor"]
    return [name for name in ("LSTM", "pooling") if any(name in bars for bars in groups.values())], groups


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    parser.add_argument("--out", required=True, type=pathlib.Path, help="a folder")
    options = parser.parse_args()
    rows = [row for file in options.files for row in read_rows(file)]
    devices = sorted({row["device"] for row in rows})
    if len(devices) > 1:
        sys.exit(f"the rows are of different devices: {', '.join(devices)}")
    options.out.mkdir(parents=True, exist_ok=True)
    drawn = 0

    def write(name, title, note, picture, ratio):
        nonlocal drawn
        series, groups = picture
        if not groups:
            return
        file = options.out / name
        file.write_text(draw(title, f"{note} {devices[0]}.", series, groups, ratio))
        print(file)
        drawn += 1

    for dtype in ("f32", "tf32", "bf16", "f16"):
        write(f"lstm-speed-{dtype}.svg", f"LSTM, forward and backward, {dtype}: times as fast as",
              "To the right of 1x ragtime is faster.", lstm_speed(rows, dtype), True)
        write(f"floor-{dtype}.svg", f"Share of the floor, {dtype}",
              "Floor: what the device was measured to be able to, for the work that must be done.", floors(rows, dtype), False)
    for task in ("binary_classification", "next_visit"):
        write(f"train-speed-{task}.svg", f"Training step, {task}, bf16: times as fast as",
              "To the right of 1x ragtime is faster.", train_speed(rows, task), True)
    if drawn == 0:
        sys.exit("nothing to draw: no case of ragtime has a time beside a peer's, or a floor")


if __name__ == "__main__":
    main()
