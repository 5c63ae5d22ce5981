#!/usr/bin/env python3
"""What the cost model expects of each cut of the persistent LSTM, beside what was measured.

    build/bench/benchmarks/gpu/gpu_lstm_bench --sweep --quick --benchmark_filter='/bf16/(stepwise|persistent)' --out cuts.jsonl
    scripts/compare_cuts.py cuts.jsonl

Predictions are of the recurrence alone; what was measured has the products before and after it besides, which are alike in
all cuts of a case. So a good model has the same rest (measured - predicted) in every line of a case, and its choice,
marked *, costs no more than the best. C: blocks of a cluster. S: sequences at once. Of stream and graph the quicker
counts.
"""

import argparse
import pathlib
import sys

from compare_results import forced_cut, geometric_mean, read_rows


def cuts(rows):
    """case -> {(cluster, slots), or the algorithm where none is forced: its quickest row}."""
    cases = {}
    for row in rows:
        name = forced_cut(row) or row["algorithm"]
        if row["operation"] != "lstm" or "ms" not in row or "predicted_us" not in row:
            continue
        best = cases.setdefault(tuple(row[key] for key in ("workload", "size", "dtype", "pass")), {})
        if name not in best or row["ms"] < best[name]["ms"]:
            best[name] = row
    return cases


def chosen_cut(row):
    """What the model chose, where it chose the same for forward and backward, which alone can be forced."""
    choices = {(choice["cluster"], choice["slots"]) for choice in
               (row[key] for key in ("forward_choice", "backward_choice") if key in row)}
    return choices.pop() if len(choices) == 1 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    losses = []
    for case, rows in cuts([row for file in options.files for row in read_rows(file)]).items():
        forced = {cut: row for cut, row in rows.items() if isinstance(cut, tuple)}
        if not forced or "persistent" not in rows:
            continue
        own = rows["persistent"]
        chosen = chosen_cut(own)
        best = min(row["ms"] for row in rows.values() if row["algorithm"] != "persistent_any_batch")
        print(" ".join(case))
        lines = [("stepwise", rows["stepwise"])] if "stepwise" in rows else []
        lines += [(f"C {cut[0]:2} S {cut[1]:2}{' *' if cut == chosen else ''}", row) for cut, row in sorted(forced.items())]
        if chosen is None:
            lines.append(("chosen *", own))
        for name, row in lines:
            measured, predicted = row["ms"] * 1e3, row["predicted_us"]
            print(f"  {name:12} predicted {predicted:9.1f} us  measured {measured:9.1f} us  rest {measured - predicted:9.1f} us"
                  f"{'  best' if row['ms'] == best else ''}")
        losses.append(own["ms"] / best)
        print(f"  the model's persistent takes {losses[-1]:.3f} of the best")
    if not losses:
        sys.exit("no case has a time of persistent and of one cut that was forced: expected a file of gpu_lstm_bench --sweep")
    print(f"{len(losses)} cases: the model's persistent takes {geometric_mean(losses):.3f} of the best, {max(losses):.3f} at most")


if __name__ == "__main__":
    main()
