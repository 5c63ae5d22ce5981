"""What ragtime draws from a seed, in Python: benchmarks in PyTorch run on the same lengths, split and batches."""

import numpy as np


def philox(counter, seed):
    """Philox4x32-10 of four uint32 [...] each, stacked: [4, ...] uint64 below 2^32."""
    c = [np.asarray(part, np.uint64) for part in np.broadcast_arrays(*counter)]
    low, keys = np.uint64(0xFFFFFFFF), [np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32)]
    for _ in range(10):
        p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(p1 >> np.uint64(32)) ^ c[1] ^ keys[0], p1 & low, (p0 >> np.uint64(32)) ^ c[3] ^ keys[1], p0 & low]
        keys = [(keys[0] + np.uint64(0x9E3779B9)) & low, (keys[1] + np.uint64(0xBB67AE85)) & low]
    return np.stack(c)


def synthea_lengths():
    """The lengths of the workload `synthea` (benchmarks/cases/workloads.hpp)."""
    numbers = philox((np.arange(64), 0, 0, 0), 1).astype(np.float64)
    u, v = (numbers[:2] + 0.5) / 2**32
    normal = np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v)
    return np.clip(17 * np.exp(0.8 * normal), 1, 140).astype(np.int64)


def split_position(patient_id, seed):
    """Patients below the validation share validate, the others train."""
    value = 0xCBF29CE484222325
    for byte in patient_id.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return int(philox((value & 0xFFFFFFFF, value >> 32, 0, 0), seed)[0]) / 2**32


def shuffle(values, seed, epoch, draw):
    steps = np.arange(len(values), 1, -1)
    numbers = philox((steps, draw, epoch & 0xFFFFFFFF, epoch >> 32), seed)
    for i, place in zip(steps, (numbers[0] << np.uint64(32) | numbers[1]) % steps.astype(np.uint64)):
        values[i - 1], values[int(place)] = values[int(place)], values[i - 1]


def plan_epoch(lengths, batch_size, seed, epoch):
    """Batches of indices into lengths, as ragtime train takes them."""
    indices = list(range(len(lengths)))
    shuffle(indices, seed, epoch, 1)
    window, batches = 32 * batch_size, []
    for begin in range(0, len(indices), window):
        part = sorted(indices[begin : begin + window], key=lambda index: lengths[index])
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    shuffle(batches, seed, epoch, 2)
    return batches
