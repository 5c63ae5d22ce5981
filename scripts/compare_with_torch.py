#!/usr/bin/env python3
"""Measures ragtime and PyTorch side by side on this machine's CPU: training of the small preset on a cohort, and the
LSTM alone. scripts/compare_with_torch.sh builds what is needed and calls this.

The two take turns, several times; what counts is each one's best epoch or best median, since whatever else the
machine does can only make a run slower.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

SCRIPTS = pathlib.Path(__file__).resolve().parent
# 10509002: acute bronchitis. The date is a year before the end of the cohort in docs/performance.md.
TRAINING = {"binary_classification": ["--label-code", "10509002", "--predict-at", "date:2018-01-01"], "next_visit": []}
THREADS = {"OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAGTIME_THREADS"}


def output(command, threads):
    environment = os.environ | {name: str(threads) for name in THREADS}
    done = subprocess.run([str(word) for word in command], env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def ragtime_training(options, task, out, *arguments):
    """Rows/s of the epochs, from the table that ragtime train prints."""
    text = output([options.tool, "train", "--data", options.data, "--task", task, *TRAINING[task], "--preset", "small",
                   "--device", "cpu", "--patience", 0, "--min-code-count", 0, "--code-dropout", 0, "--out", out,
                   *arguments], options.threads)
    return [float(rate.replace(",", "")) for rate in re.findall(r"^ +\d+ .* ([\d,]+)(?:  best)?$", text, re.M)]


def compare_training(options, task, scratch):
    initial = scratch / f"{task}_initial"
    ragtime_training(options, task, initial, "--epochs", 1, "--lr", 1e-30)
    ours, theirs = [], {}
    for turn in range(options.rounds):
        run = scratch / f"{task}_{turn}"
        ours += ragtime_training(options, task, run, "--epochs", options.epochs)
        torch = json.loads(output([sys.executable, SCRIPTS / "bench_training_torch.py", "--data", options.data,
                                   "--initial", initial, "--run", run, "--epochs", options.epochs, "--threads",
                                   options.threads], options.threads))
        for model, found in torch["models"].items():
            theirs.setdefault(model, []).extend(found["rows_per_second"])
    return {"ragtime": max(ours), **{f"torch_{model}": max(rates) for model, rates in theirs.items()}}


def compare_lstm(options):
    rates = {}
    for _ in range(options.rounds):
        ours = json.loads(output([options.lstm_bench, "--benchmark_format=json", "--benchmark_repetitions=5"],
                                 options.threads))
        torch = json.loads(output([sys.executable, SCRIPTS / "bench_lstm_torch.py", "--threads", options.threads],
                                  options.threads))
        for row in ours["benchmarks"]:
            if row.get("aggregate_name") != "median":
                continue
            name = row["run_name"].removeprefix("lstm/").removesuffix("/real_time")
            best = rates.setdefault(name, {"ragtime": 0, "torch": 0})
            best["ragtime"] = max(best["ragtime"], row["rows/s"])
            best["torch"] = max(best["torch"], torch["rows_per_second"][name])
    return rates


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = dict(line.split(":", 1) for line in file.read().split("\n\n")[0].replace("\t", "").splitlines())
    return {key: found.get(key, "").strip() for key in ("model name", "cpu family", "model", "stepping")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True, type=pathlib.Path, help="the ragtime executable")
    parser.add_argument("--lstm-bench", required=True, type=pathlib.Path, help="the lstm_bench executable")
    parser.add_argument("--data", required=True, type=pathlib.Path, help="a folder in Synthea's CSV format")
    parser.add_argument("--out", required=True, type=pathlib.Path, help="the JSON file to write")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--epochs", type=int, default=3, help="of each training run")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    import torch
    commit = subprocess.run(["git", "-C", SCRIPTS, "describe", "--always", "--dirty"], stdout=subprocess.PIPE,
                            text=True).stdout.strip()
    rates = {}
    with tempfile.TemporaryDirectory() as scratch:
        for task in TRAINING:
            rates[f"train {task}"] = compare_training(options, task, pathlib.Path(scratch))
    for name, found in compare_lstm(options).items():
        rates[f"lstm {name}"] = found
    print(f"{'rows/s':34}{'ragtime':>10}{'PyTorch':>10}  ratio   ({options.threads} threads)")
    for name, found in rates.items():
        for peer in [key for key in found if key != "ragtime"]:
            found[f"ratio_{peer}"] = round(found["ragtime"] / found[peer], 3)
            print(f"{name + peer.removeprefix('torch').replace('_', ' (', 1) + ')' * ('_' in peer):34}"
                  f"{found['ragtime']:10,.0f}{found[peer]:10,.0f}  {found[f'ratio_{peer}']:.2f}")
    report = {"command": f"scripts/compare_with_torch.sh {options.data.resolve().name} {options.out.name} --threads "
                         f"{options.threads} --epochs {options.epochs} --rounds {options.rounds}", "commit": commit,
              "ragtime": output([options.tool, "--version"], 1).strip(), "torch": torch.__version__,
              "python": platform.python_version(), "processor": processor(), "threads": options.threads,
              "rows_per_second": {name: {key: round(value, 3 if key.startswith("ratio") else None)
                                         for key, value in found.items()} for name, found in rates.items()}}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=2) + "\n")
    print(options.out)


if __name__ == "__main__":
    main()
