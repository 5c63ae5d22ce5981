#!/usr/bin/env python3
"""The aims of the design against what was measured on one device, each met, missed or not measured and why.

    scripts/check_aims.py benchmarks/results/GPU [--strict]     # a folder, or files; --strict: status 1 when one is missed

A ratio is the peer's time over ragtime's, in the same type, of one run of the benchmarks; of each the quicker of stream and
graph counts, and of ragtime's algorithms the quickest, but no cut that a sweep forced. Above 1 ragtime is faster. The share
is that of the floor, of the same row.
"""

import argparse
import pathlib
import sys

from compare_results import is_own, quickest, read_rows

PACKED, PADDED, FLOOR = "cuDNN packed (STANDARD)", "cuDNN's best padded", "its floor"
CUDNN, TORCHRL = "cuDNN's best", "TorchRL's Triton"
EAGER, COMPILED = "PyTorch eager", "PyTorch compiled"

# Of the LSTM's forward and backward in bf16: workload, size, ratio to PACKED, ratio to PADDED, share of FLOOR.
LSTM_TABLE = [
    ("skew", "small", 12, 3, 0.5), ("skew", "medium", 12, 3, 0.5),
    ("synthea", "small", 8, 2, 0.5), ("synthea", "medium", 8, 2, 0.5),
    ("claims", "small", 8, 2, 0.5), ("claims", "medium", 8, 2, 0.5),
    ("rollout", "h256", 8, 3, 0.5),
    ("mimic", "small", 4, 2, 0.4), ("mimic", "medium", 4, 2, 0.4),
    ("flashrnn", "h768", 4, 1.3, 0.5),
    ("large", "large", 1.3, 2, 0.5)]
# (operation, workload, size, task or None, against, aim)
AIMS = [("lstm", workload, size, None, against, aim)
        for workload, size, *aims in LSTM_TABLE for against, aim in zip((PACKED, PADDED, FLOOR), aims)]
AIMS += [("lstm", "flashrnn", "h128", None, CUDNN, 3), ("lstm", "rollout", "h256", None, TORCHRL, 3)]
AIMS += [("train_step", "synthea", "small", task, against, aim)
         for task in ("binary_classification", "next_visit") for against, aim in ((EAGER, 10), (COMPILED, 5))]

PASSES = {"lstm": "forward_backward", "train_step": "train_step"}


def is_peer(against, task):
    """Which rows are `against`."""
    return {PACKED: lambda name: name == "cudnn_standard_packed",
            PADDED: lambda name: name.startswith("cudnn_") and "_padded" in name,
            CUDNN: lambda name: name.startswith("cudnn_"),
            TORCHRL: lambda name: name.startswith("torch_rl_triton"),
            EAGER: lambda name: name == f"torch_eager_{task}",
            COMPILED: lambda name: name == f"torch_compile_{task}"}[against]


def best_of(rows, chosen, whose):
    """The quickest row that is chosen, and else why there is none."""
    best = list(quickest(rows, chosen).values())
    if best:
        return best[0], None
    reasons = [row.get("reason", "no time") for row in rows if chosen(row)]
    return None, f"{whose} has no time{': ' + reasons[0] if reasons else ''}"


def check(aim, rows):
    """(what came of it or None, words about it)."""
    operation, workload, size, task, against, _ = aim
    rows = [row for row in rows if (row["operation"], row["workload"], row["size"], row["pass"], row["dtype"]) ==
            (operation, workload, size, PASSES[operation], "bf16")]

    def mine(row):
        return is_own(row) and (task is None or row["algorithm"] in (task, f"{task}_any_batch"))

    own, missing = best_of(rows, mine, "ragtime")
    if own is None:
        return None, missing
    name = f"{own['algorithm']}, {own['launch']}"
    if against == FLOOR:
        if "share_of_floor" not in own:
            return None, "the row has no floor: what the device can do was not measured"
        return own["share_of_floor"], f"{name}; {own['floor_ms']:.4g} ms by {own['floor_from']}"
    peer, missing = best_of(rows, lambda row: is_peer(against, task)(row["algorithm"]), against)
    if peer is None:
        return None, missing
    return peer["ms"] / own["ms"], f"{name} {own['ms']:.4g} ms; {peer['algorithm']}, {peer['launch']} {peer['ms']:.4g} ms"


def number(value, against):
    return f"{value * 100:.0f} %" if against == FLOOR else f"{value:.2f}x"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=pathlib.Path, metavar="FOLDER_OR_FILE")
    parser.add_argument("--strict", action="store_true")
    options = parser.parse_args()
    files = [file for given in options.files for file in (sorted(given.glob("*.jsonl")) if given.is_dir() else [given])]
    rows = [row for file in files for row in read_rows(file)]
    if not rows:
        sys.exit("no results there: expected *.jsonl of the benchmarks")
    devices = sorted({row["device"] for row in rows})
    if len(devices) > 1:
        sys.exit(f"the rows are of different devices: {', '.join(devices)}")
    print(devices[0])
    counts = {"met": 0, "missed": 0, "not measured": 0}
    for aim in AIMS:
        operation, workload, size, task, against, least = aim
        value, words = check(aim, rows)
        verdict = "not measured" if value is None else "met" if value >= least else "missed"
        counts[verdict] += 1
        print(f"{task or operation:21} {workload + ' ' + size:15} {against:23} {number(value, against) if value else '-':>8} "
              f"of {number(least, against):>7}  {verdict:12}  {words}")
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return 1 if options.strict and counts["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
