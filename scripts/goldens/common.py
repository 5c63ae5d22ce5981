"""What the golden cases share: seeded numbers, the files they go into, ragged helpers."""

import itertools
import json
import zlib

import numpy as np
import torch


class Draw:
    """Random numbers that depend on the case's name alone."""

    def __init__(self, name):
        self.random = np.random.RandomState(zlib.crc32(name.encode()))

    def normal(self, *shape, scale=1.0):
        return torch.from_numpy((self.random.standard_normal(shape) * scale).astype(np.float32).astype(np.float64))

    def uniform(self, *shape, low=0.0, high=1.0):
        values = self.random.uniform(low, high, shape)
        return torch.from_numpy(np.asarray(values, np.float32).astype(np.float64))

    def integers(self, *shape, low, high):
        return torch.from_numpy(np.asarray(self.random.randint(low, high, shape), np.int32))

    def fill(self, module, scale):
        """Overwrites the parameters of a module in double."""
        for parameter in module.double().parameters():
            parameter.data.copy_(self.normal(*parameter.shape, scale=scale))
        return module


class GoldenFile:
    def __init__(self):
        self.tensors = {}
        self.metadata = {}

    def add(self, case, about, inputs, results):
        self.metadata[case] = json.dumps(about, sort_keys=True)
        for kind, group in ((np.float32, inputs), (np.float64, results)):
            for name, tensor in group.items():
                array = np.array(tensor.detach().numpy())
                assert group is inputs or np.isfinite(array).all(), f"{case}/{name} is not finite"
                self.tensors[f"{case}/{name}"] = array.astype(kind) if array.dtype == np.float64 else array


def offsets_of(lengths):
    return torch.tensor([0, *itertools.accumulate(lengths)], dtype=torch.int32)


def gradients(loss, tensors):
    """name -> tensor that needs a gradient; returns d_name -> gradient."""
    names = [name for name, tensor in tensors.items() if tensor is not None]
    found = torch.autograd.grad(loss, [tensors[name] for name in names], allow_unused=True)
    return {f"d_{n}": torch.zeros_like(tensors[n]) if g is None else g for n, g in zip(names, found)}


def spread(layout, lengths, steps, tensor, padding):
    """Ragged rows as they are, or [B, T_pad, ...] with something that must not be read in the padding."""
    if layout != "padded":
        return tensor
    rows = torch.full((len(lengths), steps, *tensor.shape[1:]), padding, dtype=tensor.dtype)
    for b, part in enumerate(torch.split(tensor, lengths)):
        rows[b, : lengths[b]] = part
    return rows
