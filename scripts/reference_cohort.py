"""Reads a cohort in Synthea's CSV format with Python alone, and pads it for the reference model.

Independent of ragtime's reader, by the same rules: a visit is one (patient, ENCOUNTER), or one (patient, day) where
the ENCOUNTER field is empty; its time is the earliest in it; visits are ordered by time, then by encounter id.
"""

import collections
import csv
import datetime
import pathlib

import numpy as np
import torch

TABLES = ("conditions", "medications", "procedures", "careplans", "allergies", "immunizations")
PADDING, UNKNOWN = "[PAD]", "[UNK]"


def seconds(text):
    time = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (time if time.tzinfo else time.replace(tzinfo=datetime.timezone.utc)).timestamp()


def read_cohort(folder):
    """Returns patient id -> visits in order, each a set of codes; patients in string order."""
    visits = collections.defaultdict(lambda: (set(), []))
    for table in TABLES:
        path = pathlib.Path(folder) / f"{table}.csv"
        if not path.exists():
            continue
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                time = seconds(row["START"] if "START" in row else row["DATE"])
                day = None if row["ENCOUNTER"] else time // 86400
                codes, times = visits[row["PATIENT"], row["ENCOUNTER"], day]
                codes.add(row["CODE"])
                times.append(time)
    patients = collections.defaultdict(list)
    for (patient, encounter, _), (codes, times) in visits.items():
        patients[patient].append((min(times), encounter, codes))
    return {patient: [codes for _, _, codes in sorted(patients[patient], key=lambda visit: visit[:2])]
            for patient in sorted(patients)}


def read_vocabulary(folder):
    """code -> id, of a model directory."""
    lines = (pathlib.Path(folder) / "vocabulary.txt").read_text(encoding="utf-8").splitlines()
    return {code: int(number) for code, number in (line.split("\t") for line in lines)}


def encode(visits, vocabulary):
    """Visits as sorted, distinct ids; codes that are not listed become [UNK], or nothing where there is none."""
    unknown = vocabulary.get(UNKNOWN)
    ids = [{vocabulary.get(code, unknown) for code in codes} - {None} for codes in visits]
    return [sorted(visit) for visit in ids]


def pad(patients):
    """Lists of visits of ids -> visit_codes [B, T, C], visit_mask [B, T, C], sequence_mask [B, T]."""
    steps = max(len(visits) for visits in patients)
    width = max(1, max(len(codes) for visits in patients for codes in visits))
    visit_codes = np.zeros((len(patients), steps, width), np.int64)
    visit_mask = np.zeros((len(patients), steps, width), np.float32)
    sequence_mask = np.zeros((len(patients), steps), np.float32)
    for b, visits in enumerate(patients):
        sequence_mask[b, : len(visits)] = 1
        for t, codes in enumerate(visits):
            visit_codes[b, t, : len(codes)] = codes
            visit_mask[b, t, : len(codes)] = 1
    return tuple(torch.from_numpy(array) for array in (visit_codes, visit_mask, sequence_mask))
