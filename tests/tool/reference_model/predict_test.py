#!/usr/bin/env python3
"""ragtime predict gives what the reference model in PyTorch gives, to 1e-5: all four aggregations, one to three layers,
both directions, every task, with and without [UNK], visits without a known code among them.

The cohort is read twice, by ragtime and by Python. Without the cohort's folder, ragtime synth makes one.
"""

import argparse
import pathlib
import sys
import tempfile

from common import predicts_as_pytorch, report, run
from export_reference import CONFIGURATIONS, make_model, write_directory
from reference_cohort import read_cohort


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True, help="the ragtime executable")
    parser.add_argument("--data", required=True, type=pathlib.Path, help="a folder in Synthea's CSV format")
    options = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as temporary:
        scratch = pathlib.Path(temporary)
        data = options.data
        if not data.is_dir():
            print(f"{data} is not there: on a cohort of ragtime synth instead")
            data = scratch / "cohort"
            run(options.tool, "synth", "--patients", 1000, "--out", data, "--seed", 1)
        cohort = read_cohort(data)
        for name in CONFIGURATIONS:
            model, config, vocabulary = make_model(name, cohort)
            write_directory(scratch / name, model, config, vocabulary)
            failures += report(name, predicts_as_pytorch(options.tool, scratch / name, data, model, cohort, vocabulary))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
