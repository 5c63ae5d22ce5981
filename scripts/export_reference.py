#!/usr/bin/env python3
"""Makes model directories of the reference model with random weights, and their predictions on a cohort.

    scripts/export_reference.py --data COHORT --out FOLDER [--only NAME]

Every directory holds config.json, model.safetensors and vocabulary.txt, as ragtime predict reads them, and
predictions.csv, as ragtime predict should write it.
"""

import argparse
import json
import pathlib

import torch

import safetensors_file
from reference_cohort import PADDING, UNKNOWN, encode, pad, read_cohort
from reference_model import PATIENT_TASKS, ReferenceModel, activate


def configuration(aggregation, layers, bidirectional, task, embedding, hidden, outputs=1, every=1, unknown=True):
    """every: of the cohort's codes, the vocabulary lists each such one; unknown: it has [UNK] for the others."""
    return {"every": every, "unknown": unknown,
            "config": {"embedding_dim": embedding, "hidden_dim": hidden, "num_layers": layers, "dropout": 0.25,
                       "bidirectional": bidirectional, "visit_aggregation": aggregation, "output_dim": outputs,
                       "task": task, "padding_idx": 0}}


# Every aggregation with every number of layers; every task with one and with two directions.
CONFIGURATIONS = {
    "risk_mean": configuration("mean", 1, False, "binary_classification", 16, 24),
    "risk_max": configuration("max", 2, True, "binary_classification", 9, 7, every=3),
    "classes_sum": configuration("sum", 2, True, "multi_class", 12, 10, outputs=4),
    "classes_attention": configuration("attention", 3, False, "multi_class", 7, 11, outputs=3, every=2),
    "number_max": configuration("max", 3, False, "regression", 20, 16),
    "number_mean": configuration("mean", 2, True, "regression", 5, 33, every=4, unknown=False),
    "next_attention": configuration("attention", 2, False, "next_visit", 17, 13, outputs=None, every=9),
    "next_sum": configuration("sum", 1, True, "next_visit", 8, 12, outputs=None, every=12, unknown=False),
    "window_attention": configuration("attention", 1, True, "visit_binary", 32, 8),
    "window_max": configuration("max", 1, False, "visit_binary", 3, 40, every=5, unknown=False),
    "hazard_mean": configuration("mean", 3, True, "survival", 10, 6, every=2),
    "hazard_sum": configuration("sum", 3, False, "survival", 6, 18),
}


def make_vocabulary(cohort, every, unknown):
    codes = sorted({code for visits in cohort.values() for codes in visits for code in codes})[::every]
    return {code: i for i, code in enumerate([PADDING] + ([UNKNOWN] if unknown else []) + codes)}


def make_model(name, cohort):
    """Returns (model, config, vocabulary), the same for the same name and cohort."""
    chosen = CONFIGURATIONS[name]
    vocabulary = make_vocabulary(cohort, chosen["every"], chosen["unknown"])
    config = {"vocab_size": len(vocabulary), **chosen["config"]}
    if config["output_dim"] is None:
        config["output_dim"] = len(vocabulary)
    torch.manual_seed(sorted(CONFIGURATIONS).index(name))
    return ReferenceModel(**config).eval(), config, vocabulary


def write_directory(folder, model, config, vocabulary):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    safetensors_file.write(folder / "model.safetensors", {n: p.numpy() for n, p in model.state_dict().items()})
    # Readers take the lines in any order.
    lines = sorted((code, i) for code, i in vocabulary.items())
    (folder / "vocabulary.txt").write_text("".join(f"{code}\t{i}\n" for code, i in lines))


@torch.no_grad()
def predictions(model, cohort, vocabulary, batch_size=64):
    """patient id -> activated outputs, [K] or [visits, K], computed in double."""
    model = model.double().eval()
    encoded = {patient: encode(visits, vocabulary) for patient, visits in cohort.items()}
    by_length = sorted(encoded, key=lambda patient: len(encoded[patient]))
    found = {}
    for begin in range(0, len(by_length), batch_size):
        chosen = by_length[begin : begin + batch_size]
        outputs = activate(model.task, model(*pad([encoded[patient] for patient in chosen])))
        for b, patient in enumerate(chosen):
            found[patient] = outputs[b] if model.task in PATIENT_TASKS else outputs[b, : len(encoded[patient])]
    return {patient: found[patient] for patient in cohort}


def write_predictions(path, task, found):
    with open(path, "w", encoding="utf-8") as file:
        width = next(iter(found.values())).shape[-1]
        columns = ",".join(f"p{k}" for k in range(width))
        file.write(f"patient_id,{'' if task in PATIENT_TASKS else 'visit,'}{columns}\n")
        for patient, outputs in found.items():
            if task in PATIENT_TASKS:
                file.write(f"{patient},{','.join(f'{p:.9g}' for p in outputs.tolist())}\n")
                continue
            for visit, row in enumerate(outputs.tolist()):
                file.write(f"{patient},{visit},{','.join(f'{p:.9g}' for p in row)}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a folder in Synthea's CSV format")
    parser.add_argument("--out", required=True, type=pathlib.Path, help="where the model directories go")
    parser.add_argument("--only", choices=sorted(CONFIGURATIONS), help="one configuration instead of all")
    options = parser.parse_args()
    cohort = read_cohort(options.data)
    for name in [options.only] if options.only else CONFIGURATIONS:
        model, config, vocabulary = make_model(name, cohort)
        write_directory(options.out / name, model, config, vocabulary)
        write_predictions(options.out / name / "predictions.csv", config["task"],
                          predictions(model, cohort, vocabulary))
        print(options.out / name)


if __name__ == "__main__":
    main()
