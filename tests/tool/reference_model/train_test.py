#!/usr/bin/env python3
"""A model directory that ragtime train wrote loads in the reference model as it is, load_state_dict(strict=True), and
predicts the same there, to 1e-5: every task, all four aggregations, one and two layers, both directions; regression in
the unit of its labels.

Python reads the cohort on its own and derives who is an example, what is known at each prediction time, and the label.
On the validation patients of splits.csv PyTorch then has the loss, or the error, that ragtime train wrote down.
"""

import argparse
import csv
import datetime
import json
import pathlib
import sys
import tempfile

from common import TOLERANCE, predicts_as_pytorch, report, run
from export_reference import predictions
from reference_cohort import known_by, last_time, read_cohort, read_timed_cohort, read_vocabulary, rows_of
from reference_model import load

import torch

CODE = "44054006"  # diabetes, of which ragtime synth makes enough
MEAN, DEVIATION = 58399, 13297  # of the numbers
DAY = datetime.timedelta(days=1)
MOMENT = datetime.timedelta(microseconds=1)

# name -> options of ragtime train
RUNS = {
    "risk": ["--task", "binary_classification", "--label-code", CODE, "--predict-at", "days:400.5", "--horizon-days",
             900, "--gap-days", 20, "--aggregation", "attention", "--bidirectional", "--dropout", 0.1],
    "classes": ["--task", "multi_class", "--labels", "classes", "--aggregation", "max", "--num-layers", 2],
    "before": ["--task", "multi_class", "--labels", "classes", "--before"],
    "number": ["--task", "regression", "--labels", "numbers", "--num-layers", 2, "--bidirectional"],
    "whole": ["--task", "regression", "--labels", "whole"],
    "next": ["--task", "next_visit", "--aggregation", "sum"],
    "window": ["--task", "visit_binary", "--label-code", CODE, "--predict-at", "visits", "--horizon-days", 200],
    "hazard": ["--task", "survival", "--label-code", CODE, "--aggregation", "attention"],
}


def write_labels(path, value_column, labels):
    """labels: patient, or (patient, time) -> value."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["patient_id", "label"] if value_column is None else
                      ["subject_id", "prediction_time", value_column])
        rows.writerows([*([key] if isinstance(key, str) else key), value] for key, value in labels.items())


def end_of_day(time):
    return time.replace(hour=0, minute=0, second=0, microsecond=0) + DAY - MOMENT


def text_of(time):
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def end_of_visit(visit):
    return end_of_day(min(visit.values()))


def label_times(cohort):
    """(patient, text) -> time: noon of the day of the third visit, the very time of a code of the fifth."""
    times = {}
    for patient, visits in cohort.items():
        for time in [end_of_day(min(visit.values())) - DAY / 2 for visit in visits[2:3]] + \
                    [min(visit.values()) for visit in visits[4:5]]:
            if known_by(visits, time - MOMENT):
                times[patient, text_of(time)] = time
    return dict(sorted(times.items(), key=lambda item: (item[0][0], item[1])))


def label_at(visits, time, horizon, gap, observed_until):
    """1 or 0, or None where the patient is no example at that time."""
    times = [visit[CODE] for visit in visits if CODE in visit]
    begin = time + gap * DAY
    if any(known <= time for known in times) or begin + horizon * DAY > observed_until:
        return None
    return int(any(begin < known <= begin + horizon * DAY for known in times))


def validation_loss(model, vocabulary, inputs, labels):
    """The mean over (outputs, label) of all keys; labels: key -> label, or -> {visit: label}."""
    total = count = 0
    for key, outputs in predictions(model, inputs, vocabulary).items():
        wanted = labels[key]
        for row, label in wanted.items() if isinstance(wanted, dict) else [(None, wanted)]:
            p = outputs if row is None else outputs[row]
            p = p[label] if len(p) > 1 else p[0] if label else 1 - p[0]
            total, count = total - torch.log(p).item(), count + 1
    return total / count


def validation_patients(folder):
    return {row["patient_id"] for row in rows_of(folder / "splits.csv") if row["part"] == "validation"}


def best_epoch(folder):
    history = json.loads((folder / "history.json").read_text())
    return history["epochs"][history["best_epoch"] - 1]


def differs(what, actual, expected, scale=1.0):
    if abs(actual - expected) <= TOLERANCE * max(scale, abs(expected) if scale == 1.0 else 0):
        return None
    return f"{what} is {actual:.9g}, expected {expected:.9g}"


def window_as_in_python(folder, model, vocabulary, cohort, observed_until):
    """Whether the validation loss is that of the examples and labels that Python finds."""
    validates, inputs, labels = validation_patients(folder), {}, {}
    for patient, visits in cohort.items():
        if patient not in validates:
            continue
        if model.task == "binary_classification":
            time = end_of_visit(visits[0]) + 400.5 * DAY
            label = label_at(visits, time, 900, 20, observed_until)
            found = None if label is None else (known_by(visits, time), label)
        else:
            ends = [end_of_visit(visit) for visit in visits]
            rows = {t: label_at(visits, end, 200, 0, observed_until) for t, end in enumerate(ends)
                    if end not in ends[t + 1 :]}  # of the visits of a day the last stands for all
            rows = {t: label for t, label in rows.items() if label is not None}
            found = ([set(visit) for visit in visits[: max(rows) + 1]], rows) if rows else None
        if found:
            inputs[patient], labels[patient] = found
    return differs("validation_loss", best_epoch(folder)["validation_loss"],
                   validation_loss(model, vocabulary, inputs, labels))


def labels_as_in_python(folder, model, vocabulary, inputs, labels):
    """Whether validation has the loss, or the error, of these inputs."""
    validates = validation_patients(folder)
    inputs = {key: visits for key, visits in inputs.items() if (key if isinstance(key, str) else key[0]) in validates}
    best = best_epoch(folder)
    if model.task != "regression":
        return differs("validation_loss", best["validation_loss"], validation_loss(model, vocabulary, inputs, labels))
    errors = [outputs[0].item() - labels[key] for key, outputs in predictions(model, inputs, vocabulary).items()]
    expected = (sum(error * error for error in errors) / len(errors)) ** 0.5
    return differs("rmse", best["metrics"]["rmse"], expected, DEVIATION) or \
        (None if expected < 3 * DEVIATION else f"rmse is {expected:g}: the model has not the labels' unit")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True, help="the ragtime executable")
    options = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as temporary:
        scratch = pathlib.Path(temporary)
        data = scratch / "cohort"
        run(options.tool, "synth", "--patients", 400, "--out", data, "--seed", 2)
        whole, cohort = read_cohort(data), read_timed_cohort(data)
        observed_until = last_time(data, cohort)
        times = label_times(cohort)
        files = {name: scratch / f"{name}.csv" for name in ("classes", "numbers", "whole")}
        classes = {key: len(cohort[key[0]]) % 3 for key in times}
        names = ["discharged", "home", "ward, 3"]  # in string order
        write_labels(files["classes"], "categorical_value", {key: names[label] for key, label in classes.items()})
        raw = {key: float(len(known_by(cohort[key[0]], time)) + len(key[0]) % 2) for key, time in times.items()}
        center = sum(raw.values()) / len(raw)
        spread = (sum((value - center) ** 2 for value in raw.values()) / len(raw)) ** 0.5
        numbers = {key: round(MEAN + DEVIATION * (value - center) / spread, 3) for key, value in raw.items()}
        write_labels(files["numbers"], "float_value", numbers)
        wholes = {patient: MEAN + 1330 * (len(visits) - 17) for patient, visits in whole.items()}
        write_labels(files["whole"], None, wholes)
        for name, arguments in RUNS.items():
            folder = scratch / name
            run(options.tool, "train", "--data", data, "--out", folder, "--device", "cpu", "--epochs", 2, "--lr", 0.01,
                "--embedding-dim", 12, "--hidden-dim", 20, *[files.get(word, word) for word in arguments])
            model, vocabulary = load(folder), read_vocabulary(folder)
            limit = MOMENT if name == "before" else 0 * DAY
            known = {key: known_by(cohort[key[0]], time - limit) for key, time in times.items()}
            scale = DEVIATION if model.task == "regression" else None
            failures += report(name, predicts_as_pytorch(options.tool, folder, data, model, whole, vocabulary, scale=scale))
            if name in ("risk", "window"):
                failures += report(f"{name}, validation",
                                   window_as_in_python(folder, model, vocabulary, cohort, observed_until))
            if name == "whole":
                failures += report(f"{name}, validation",
                                   labels_as_in_python(folder, model, vocabulary, whole, wholes))
            if name in ("classes", "before", "number"):
                wanted = numbers if name == "number" else classes
                failures += report(f"{name}, validation",
                                   labels_as_in_python(folder, model, vocabulary, known, wanted))
            if name in ("risk", "classes", "before", "number"):
                failures += report(f"{name}, at the times of labels",
                                   predicts_as_pytorch(options.tool, folder, data, model, known, vocabulary,
                                                       files["classes"], scale))
            if name in ("risk", "next"):
                time = datetime.datetime(2019, 6, 30, 12, tzinfo=datetime.timezone.utc)
                text = time.strftime("%Y-%m-%dT%H:%M:%SZ")
                seen = {(patient, text): known_by(visits, time) for patient, visits in cohort.items()}
                seen = {key: visits for key, visits in seen.items() if visits}
                failures += report(f"{name}, at one time",
                                   predicts_as_pytorch(options.tool, folder, data, model, seen, vocabulary,
                                                       arguments=["--at", text]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
