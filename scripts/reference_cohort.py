"""Reads a cohort in Synthea's CSV format with Python alone, and pads it for the reference model.

Independent of ragtime's reader, by the same rules: a visit is one (patient, ENCOUNTER, day). It begins at the START that
encounters.csv gives, where that is on its day, else with the earliest event in it; a date without a time of day counts
as the end of that day. Events before the START count from it. Visits are ordered by time, then by encounter id.
"""

import collections
import csv
import datetime
import pathlib

import numpy as np
import torch

TABLES = ("conditions", "medications", "procedures", "careplans", "allergies", "immunizations")
PADDING, UNKNOWN = "[PAD]", "[UNK]"


def parse(text):
    """(day, in the offset of the text, and the time from which it is known to have happened)."""
    time = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    time = time if time.tzinfo else time.replace(tzinfo=datetime.timezone.utc)
    day = time.date()
    if len(text) == len("2020-03-05"):
        time += datetime.timedelta(days=1, microseconds=-1)
    return day, time


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def read_begins(folder):
    """(patient, encounter) -> when it began."""
    path = pathlib.Path(folder) / "encounters.csv"
    if not path.exists():
        return {}
    begins = {}
    for row in rows_of(path):
        begins.setdefault((row["PATIENT"], row["Id"]), parse(row["START"]))
    return begins


def read_timed_cohort(folder):
    """Returns patient id -> visits in order, each code -> when it is first known; patients in string order."""
    begins = read_begins(folder)
    visits = collections.defaultdict(lambda: ({}, []))
    for table in TABLES:
        path = pathlib.Path(folder) / f"{table}.csv"
        if not path.exists():
            continue
        for row in rows_of(path):
            day, time = parse(row["START"] if "START" in row else row["DATE"])
            begin_day, begin = begins.get((row["PATIENT"], row["ENCOUNTER"]), (None, None))
            if begin is not None and time < begin:
                day, time = begin_day, begin
            codes, times = visits[row["PATIENT"], row["ENCOUNTER"], day]
            codes[row["CODE"]] = min(time, codes.get(row["CODE"], time))
            times.append(begin if day == begin_day else time)
    patients = collections.defaultdict(list)
    for (patient, encounter, _), (codes, times) in visits.items():
        patients[patient].append((min(times), encounter, codes))
    return {patient: [codes for _, _, codes in sorted(patients[patient], key=lambda visit: visit[:2])]
            for patient in sorted(patients)}


def read_cohort(folder):
    """Returns patient id -> visits in order, each a set of codes; patients in string order."""
    return {patient: [set(visit) for visit in visits] for patient, visits in read_timed_cohort(folder).items()}


def last_time(folder, timed_cohort):
    """The last time in the data, of an event or an encounter."""
    codes = [time for visits in timed_cohort.values() for visit in visits for time in visit.values()]
    return max(codes + [begin for _, begin in read_begins(folder).values()])


def known_by(visits, time):
    """Of timed visits, the sets of codes known by a time; a visit of which nothing is known is none."""
    known = [{code for code, first in visit.items() if first <= time} for visit in visits]
    return [codes for codes in known if codes]


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
