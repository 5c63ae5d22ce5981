#!/usr/bin/env python3
"""A model directory that ragtime train wrote loads in the reference model as it is, load_state_dict(strict=True), and
predicts the same there, to 1e-5: every task, all four aggregations, one and two layers, both directions; regression in
the unit of its labels."""

import argparse
import csv
import pathlib
import statistics
import sys
import tempfile

from common import predicts_as_pytorch, read_predictions, report, run
from reference_cohort import read_cohort, read_vocabulary
from reference_model import load

CODE = "44054006"  # diabetes, of which ragtime synth makes enough

# name -> options of ragtime train
RUNS = {
    "risk": ["--task", "binary_classification", "--label-code", CODE, "--aggregation", "attention",
             "--bidirectional", "--dropout", 0.1],
    "classes": ["--task", "multi_class", "--labels", "classes", "--aggregation", "max", "--num-layers", 2],
    "number": ["--task", "regression", "--labels", "numbers", "--num-layers", 2, "--bidirectional"],
    "next": ["--task", "next_visit", "--aggregation", "sum"],
    "window": ["--task", "visit_binary", "--label-code", CODE, "--horizon-days", 200, "--num-layers", 2],
    "hazard": ["--task", "survival", "--label-code", CODE, "--aggregation", "attention"],
}


def write_labels(path, labels):
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["patient_id", "label"])
        rows.writerows(labels.items())


def before_first(cohort, code):
    """What a causal model sees: the visits before the code's first; nobody who has it in the first visit."""
    first = {patient: next((t for t, codes in enumerate(visits) if code in codes), len(visits))
             for patient, visits in cohort.items()}
    return {patient: visits[: first[patient]] for patient, visits in cohort.items() if first[patient] > 0}


def in_the_unit_of(labels, path):
    """What is wrong as text: standardised values are nowhere near the labels."""
    mean = read_predictions(path, per_visit=False)[2].mean().item()
    expected, deviation = statistics.mean(labels.values()), statistics.pstdev(labels.values())
    if not abs(mean - expected) < deviation:
        return f"the mean prediction is {mean:g}, that of the labels {expected:g}, their deviation {deviation:g}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True, help="the ragtime executable")
    options = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as temporary:
        scratch = pathlib.Path(temporary)
        data = scratch / "cohort"
        run(options.tool, "synth", "--patients", 400, "--out", data, "--seed", 2)
        cohort = read_cohort(data)
        labels = {"classes": scratch / "classes.csv", "numbers": scratch / "numbers.csv"}
        write_labels(labels["classes"], {patient: len(visits) % 3 for patient, visits in cohort.items()})
        numbers = {patient: 58399 + 1330 * len(visits) for patient, visits in cohort.items()}
        write_labels(labels["numbers"], numbers)
        for name, arguments in RUNS.items():
            run(options.tool, "train", "--data", data, "--out", scratch / name, "--device", "cpu", "--epochs", 2,
                "--embedding-dim", 12, "--hidden-dim", 20, *[labels.get(word, word) for word in arguments])
            model, vocabulary = load(scratch / name), read_vocabulary(scratch / name)
            seen = before_first(cohort, CODE) if model.task == "binary_classification" else cohort
            failures += report(name, predicts_as_pytorch(options.tool, scratch / name, data, model, seen, vocabulary))
        failures += report("number, its unit", in_the_unit_of(numbers, scratch / "number" / "out.csv"))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
