#!/usr/bin/env python3
"""Compares two history.json of the same training on two devices.

compare_histories.py A B [--loss SHARE] [--metric DIFFERENCE]: losses may differ by SHARE of the first (0.001),
metrics by DIFFERENCE (0.01): sums in another order differ in the last digits of f32, and every step carries
that on. Prints the largest of each; ends with 1 when one is too large or the epochs are not the same.
"""

import argparse
import json
import sys


def read(path):
    with open(path) as file:
        return json.load(file)["epochs"]


def metrics(epoch):
    """What is measured in an epoch beside losses, by name."""
    return {name: value for name, value in epoch.get("metrics", {}).items() if value is not None}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("--loss", type=float, default=1e-3)
    parser.add_argument("--metric", type=float, default=1e-2)
    options = parser.parse_args()
    first, second = read(options.first), read(options.second)
    if not first or len(first) != len(second):
        sys.exit(f"{len(first)} and {len(second)} epochs: expected as many, at least one")
    losses, differences = [], [0.0]
    for a, b in zip(first, second):
        if metrics(a).keys() != metrics(b).keys():
            sys.exit(f"epoch {a['epoch']} has metrics {list(metrics(a))} and {list(metrics(b))}")
        losses += [abs(a[name] - b[name]) / abs(a[name]) for name in ("train_loss", "validation_loss")]
        differences += [abs(value - metrics(b)[name]) for name, value in metrics(a).items()]
    print(f"{len(first)} epochs, losses within {max(losses):.1e}, metrics within {max(differences):.1e}")
    # In this direction, so that NaN is too large.
    within = all(d <= options.loss for d in losses) and all(d <= options.metric for d in differences)
    if not within:
        sys.exit(f"allowed: losses {options.loss:.1e}, metrics {options.metric:.1e}")


main()
