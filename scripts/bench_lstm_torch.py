#!/usr/bin/env python3
"""nn.LSTM on packed sequences on the CPU: the workloads of benchmarks/micro/lstm_bench.cpp, by the same names. JSON on
stdout.

    scripts/bench_lstm_torch.py --threads 2

The sequences are packed beforehand. Gradients of the packed input and of all weights are computed, as there.
"""

import argparse
import json
import time

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from ragtime_draws import synthea_lengths

SIZES = {"small": (128, 256, 1), "medium": (256, 512, 2)}  # input, hidden, layers


def time_runs(run, seconds):
    """Seconds of one run, the median of those that fit."""
    run()
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=1, help="for each workload")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    lengths = torch.from_numpy(synthea_lengths())
    rates = {}
    for size, (width, hidden, layers) in SIZES.items():
        lstm = nn.LSTM(width, hidden, layers, batch_first=True)
        padded = torch.randn(len(lengths), int(lengths.max()), width)
        packed = pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
        d_y = torch.randn(len(packed.data), hidden)

        @torch.no_grad()
        def forward():
            lstm(packed)

        def forward_backward():
            x = packed.data.detach().requires_grad_()
            y, _ = lstm(PackedSequence(x, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices))
            torch.autograd.grad(y.data, [x, *lstm.parameters()], d_y)

        for run in (forward, forward_backward):
            rates[f"{run.__name__}_{size}"] = int(lengths.sum()) / time_runs(run, options.seconds)
    print(json.dumps({"torch": torch.__version__, "threads": options.threads, "rows_per_second": rates}))


if __name__ == "__main__":
    main()
