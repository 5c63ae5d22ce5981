#!/usr/bin/env python3
"""Makes tests/goldens/*.safetensors: what PyTorch computes, in double, for the tests to hold every operation against.

    scripts/make_goldens.py            writes the files
    scripts/make_goldens.py --check    computes everything anew and compares with the committed files

A file holds many cases. Tensors are named case/tensor, and the metadata says in JSON what a case is. Inputs are
stored as F32 (drawn so that they are floats exactly), results as F64. Rows are ragged: those of one sequence stand
together. Works with PyTorch 1.13 and later.
"""

import argparse
import pathlib
import sys

import numpy as np
import torch

import safetensors_file
from goldens.adamw import make_adamw
from goldens.layout import make_layout
from goldens.linear import make_linear
from goldens.lstm import make_lstm, make_lstm_step
from goldens.masked_loss import make_masked_loss
from goldens.segment_pool import make_segment_pool

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "goldens"

MAKERS = {"adamw": make_adamw, "layout": make_layout, "linear": make_linear, "lstm": make_lstm,
          "lstm_step": make_lstm_step, "masked_loss": make_masked_loss, "segment_pool": make_segment_pool}


def differences(file, path):
    """What of the file made now is not in the committed one: text, empty when they agree."""
    if not path.exists():
        return [f"{path} is missing"]
    tensors, metadata = safetensors_file.read(path)
    found = [f"{path.name}: {case} differs in its description" for case in sorted(set(metadata) | set(file.metadata))
             if metadata.get(case) != file.metadata.get(case)]
    for name in sorted(set(tensors) | set(file.tensors)):
        committed, now = tensors.get(name), file.tensors.get(name)
        if committed is None or now is None or committed.shape != now.shape or committed.dtype != now.dtype:
            found.append(f"{path.name}: {name} is missing, or has another shape or type")
        elif now.dtype != np.float64:
            if committed.tobytes() != now.tobytes():
                found.append(f"{path.name}: input {name} differs")
        elif now.size and not np.abs(committed - now).max() <= 1e-13 * max(1.0, np.abs(now).max()):
            found.append(f"{path.name}: {name} differs by {np.abs(committed - now).max()}")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    check = parser.parse_args().check
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    wrong = []
    for name, make in MAKERS.items():
        file, path = make(), FOLDER / f"{name}.safetensors"
        if check:
            wrong += differences(file, path)
        else:
            safetensors_file.write(path, file.tensors, file.metadata)
            print(f"{path}: {len(file.metadata)} cases, {path.stat().st_size} bytes")
    if wrong:
        sys.exit("\n".join(wrong))
    if check:
        print(f"{len(MAKERS)} golden files are what PyTorch {torch.__version__} computes")


if __name__ == "__main__":
    main()
