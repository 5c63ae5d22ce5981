"""What the tests of this folder share: the cohort, the tool, predictions as a file and as PyTorch computes them.

Importing it without PyTorch ends the test with 77, which CTest takes as skipped.
"""

import csv
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "scripts"))
try:
    import torch
except ImportError as missing:
    print(f"skipped: {missing} ({sys.executable}; Debian: apt-get install python3-torch)")
    sys.exit(77)

from export_reference import predictions
from reference_model import PATIENT_TASKS

TOLERANCE = 1e-5

torch.set_num_threads(1)


def run(tool, *arguments):
    """Runs the tool; what it says is shown when it fails."""
    done = subprocess.run([tool, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f"ragtime {' '.join(map(str, arguments))}: status {done.returncode}\n{done.stdout}")


def read_predictions(path, key_columns):
    """Returns the columns, the keys in their order, and the values [rows, K]."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        header = next(rows)
        keys, values = [], []
        for row in rows:
            keys.append(tuple(row[:key_columns]))
            values.append([float(value) for value in row[key_columns:]])
    return header, keys, torch.tensor(values, dtype=torch.float64)


def first_difference(actual, expected, keys, scale):
    """Text, or None when everything is within the tolerance, in units of scale; NaN is a difference."""
    if actual.shape != expected.shape:
        return f"{list(actual.shape)} numbers, expected {list(expected.shape)}"
    allowed = TOLERANCE * scale
    wrong = (~((actual - expected).abs() <= allowed)).nonzero()
    if len(wrong) == 0:
        return None
    row, k = wrong[0].tolist()
    return (f"{len(wrong)} of {expected.numel()} numbers differ by more than {allowed:g}, first {keys[row]} p{k}: "
            f"{actual[row, k]:.9g}, expected {expected[row, k]:.9g}")


def predicts_as_pytorch(tool, model_folder, data, model, cohort, vocabulary, labels=None, scale=None, arguments=()):
    """Holds `ragtime predict` with the directory against the PyTorch model on the cohort read by Python.

    cohort: patient -> visits; with prediction times, (patient, time as text) -> the visits known by then. labels: the
    file of those times, for predict. scale: what 1e-5 is relative to, the largest prediction unless given. Returns what
    differs as text, None when nothing does.
    """
    out = model_folder / "out.csv"
    run(tool, "predict", "--model", model_folder, "--data", data, "--out", out, "--device", "cpu", *arguments,
        *(["--labels", labels] if labels else []))
    per_visit = model.task not in PATIENT_TASKS
    inputs = {key if isinstance(key, tuple) else (key,): visits for key, visits in cohort.items()}
    expected = predictions(model, inputs, vocabulary)
    key_columns = ["patient_id", "prediction_time"][: len(next(iter(inputs)))] + ["visit"] * per_visit
    header, keys, actual = read_predictions(out, len(key_columns))
    columns = key_columns + [f"p{k}" for k in range(model.fc.out_features)]
    if header != columns:
        return f"the header is {','.join(header)[:60]}, expected {','.join(columns)[:60]}"
    expected_keys = [(*key, str(visit)) for key, outputs in expected.items() for visit in range(len(outputs))] \
        if per_visit else list(expected)
    if keys != expected_keys:
        return f"{len(keys)} lines, expected {len(expected_keys)}, or not in order of patients and visits"
    rows = torch.cat(list(expected.values())) if per_visit else torch.stack(list(expected.values()))
    if rows.std(0).max() < 100 * TOLERANCE:
        return "PyTorch predicts the same for everyone, so that agreeing with it means nothing"
    return first_difference(actual, rows, keys, scale or max(1.0, rows.abs().max().item()))


def report(name, problem):
    """Prints the line of a case; returns 1 for a failure."""
    print(f"{name}: {problem or 'as PyTorch'}", flush=True)
    return int(problem is not None)
