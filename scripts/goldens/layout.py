"""Layouts: pack_padded_sequence and back."""

import math

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .common import Draw, GoldenFile, spread


def make_layout():
    """pack_padded_sequence and back: PyTorch's order, batch sizes and packed rows."""
    file = GoldenFile()
    for case, lengths, width in [("ragged", [3, 1, 5, 2, 4], 3), ("one", [1], 1), ("sorted", [9, 4, 2, 1], 7)]:
        draw = Draw("layout " + case)
        steps = max(lengths) + 2
        rows = draw.normal(sum(lengths), width)
        padded = spread("padded", lengths, steps, rows, math.nan)
        packed = pack_padded_sequence(padded, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
        back, _ = pad_packed_sequence(packed, batch_first=True, padding_value=-7.0, total_length=steps)
        file.add(case, {"lengths": lengths, "padded_steps": steps, "padding_value": -7.0},
                 {"rows": rows, "padded": padded, "order": packed.sorted_indices.int(),
                  "inverse_order": packed.unsorted_indices.int(), "batch_sizes": packed.batch_sizes.int()},
                 {"packed": packed.data, "repadded": back})
    return file
