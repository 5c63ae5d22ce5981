#!/usr/bin/env python3
"""How much faster B is than A, case by case: ms of A / ms of B, above 1 where B is faster.

    scripts/compare_results.py A.jsonl B.jsonl
    scripts/compare_results.py RUN.jsonl RUN.jsonl --algorithms cudnn_standard_packed stepwise
    scripts/compare_results.py A.jsonl B.jsonl --filter lstm/.*bf16 --least 0.97    # status 1 below that

A file holds the lines that benchmarks/gpu and scripts/gpu_torch.py write. Cases are the same when operation, workload,
size, type, algorithm, pass and launch are; with --algorithms, one algorithm of A stands against another of B. Ratios of
different devices are refused.
"""

import argparse
import json
import pathlib
import re
import sys

KEY = ("operation", "workload", "size", "dtype", "algorithm", "pass", "launch")


def read_rows(file):
    """The rows of a file, each a JSON object on a line."""
    rows = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            missing = [key for key in (*KEY, "device") if key not in row]
        except (json.JSONDecodeError, TypeError) as problem:
            sys.exit(f"{file}:{number}: {problem}")
        if missing:
            sys.exit(f"{file}:{number}: the row has no {missing[0]}")
        rows.append(row)
    return rows


def is_own(row):
    """Ragtime's as its users get it: no peer, and no cut of the persistent LSTM that a sweep forced."""
    return not row["algorithm"].startswith(("cudnn_", "torch_")) and not forced_cut(row)


def forced_cut(row):
    """(cluster, slots) of a cut that a sweep forced, else None."""
    found = re.fullmatch(r"persistent_c(\d+)_s(\d+)", row["algorithm"])
    return found and (int(found[1]), int(found[2]))


def quickest(rows, chosen):
    """(workload, size) -> the quickest row that is chosen and has a time."""
    best = {}
    for row in rows:
        group = row["workload"], row["size"]
        if "ms" in row and chosen(row) and (group not in best or row["ms"] < best[group]["ms"]):
            best[group] = row
    return best


def by_case(rows, algorithm):
    """case -> row, of one algorithm (then no part of the case) or of all."""
    cases = {}
    for row in rows:
        if algorithm is not None and row["algorithm"] != algorithm:
            continue
        case = "/".join(row[key] for key in KEY if key != "algorithm" or algorithm is None)
        cases[case] = row
    return cases


def geometric_mean(ratios):
    product = 1.0
    for ratio in ratios:
        product *= ratio ** (1 / len(ratios))
    return product


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", type=pathlib.Path)
    parser.add_argument("b", type=pathlib.Path)
    parser.add_argument("--algorithms", nargs=2, metavar=("OF_A", "OF_B"), default=(None, None))
    parser.add_argument("--filter", default="", help="compare the cases in which this is found")
    parser.add_argument("--least", type=float, help="end with status 1 when a ratio is below")
    options = parser.parse_args()
    rows = [read_rows(options.a), read_rows(options.b)]
    devices = {row["device"] for one in rows for row in one}
    if len(devices) > 1:
        sys.exit(f"the rows are of different devices: {', '.join(sorted(devices))}")
    a, b = (by_case(one, algorithm) for one, algorithm in zip(rows, options.algorithms))
    ratios, slow = [], 0
    wide = max((len(case) for case in a), default=0)
    for case, row in a.items():
        if not re.search(options.filter, case):
            continue
        other = b.get(case)
        if other is None:
            print(f"{case:{wide}}  not in B")
        elif "ms" not in row or "ms" not in other:
            reasons = [f"{name}: {one['reason']}" for name, one in (("A", row), ("B", other)) if "ms" not in one]
            print(f"{case:{wide}}  no time: {'; '.join(reasons)}")
        else:
            ratio = row["ms"] / other["ms"]
            # Apart when the slowest repetition of one is quicker than the quickest of the other.
            apart = row["ms_max"] < other["ms_min"] or other["ms_max"] < row["ms_min"]
            ratios.append(ratio)
            below = options.least is not None and ratio < options.least
            slow += below
            print(f"{case:{wide}}  {row['ms']:10.4g} ms {other['ms']:10.4g} ms {ratio:7.3f}x"
                  f"{'' if apart else '  within the spread'}{'  TOO SLOW' if below else ''}")
    for case in b:
        if case not in a and re.search(options.filter, case):
            print(f"{case:{wide}}  not in A")
    if not ratios:
        sys.exit("no case has a time in both files")
    print(f"{len(ratios)} cases, geometric mean {geometric_mean(ratios):.3f}x")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
