"""Segment pooling, masked as a padded model does it."""

import itertools
import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from .common import Draw, GoldenFile, gradients, offsets_of


def pool(mode, rows, lengths, weights, scorer):
    """rows [M, E] -> [S, E]. Segments without an item of positive weight give 0."""
    items = pad_sequence(torch.split(rows, lengths), batch_first=True)  # [S, C, E]
    share = pad_sequence(torch.split(weights, lengths), batch_first=True)  # [S, C], 0 where there is no item
    out = torch.zeros(len(lengths), rows.shape[1], dtype=torch.float64)
    filled = (share > 0).any(1)
    items, share = items[filled], share[filled]
    if mode == "sum":
        pooled = (items * share[..., None]).sum(1)
    elif mode == "mean":
        pooled = (items * share[..., None]).sum(1) / share.sum(1, keepdim=True)
    elif mode == "max":
        pooled = items.masked_fill((share == 0)[..., None], -math.inf).max(1).values
    elif mode == "attention":
        score = scorer(items).squeeze(-1) + torch.log(share)
        pooled = (torch.softmax(score, 1)[..., None] * items).sum(1)
    else:
        last = torch.tensor([length for length in lengths if length > 0]) - 1
        pooled = items[torch.arange(len(last)), last]
    return out.index_put((filled.nonzero()[:, 0],), pooled)


def pool_case(file, mode, table, weighted, width, lengths, padding_idx=-1):
    case = f"{mode}_{'codes' if table else 'rows'}{'_weighted' if weighted else ''}" + (
        f"_padding{padding_idx}" if table and padding_idx >= 0 else "")
    draw = Draw("segment_pool " + case)
    count, vocabulary = sum(lengths), 9
    values = draw.normal(vocabulary if table else count, width).requires_grad_()
    inputs = {"values": values, "offsets": offsets_of(lengths)}
    if table:
        codes = inputs["codes"] = draw.integers(count, low=0, high=vocabulary)
        rows = F.embedding(codes.long(), values, padding_idx=padding_idx if padding_idx >= 0 else None)
    else:
        rows = values
    weights = torch.ones(count, dtype=torch.float64)
    if weighted:
        weights = draw.uniform(count, low=0.25, high=3.0)
        weights[draw.integers(count, low=0, high=4) == 0] = 0
        begin = int(offsets_of(lengths)[3])
        weights[begin : begin + lengths[3]] = 0  # one segment has items, and none that counts
        inputs["weights"] = weights
    attention = max(1, width // 2)
    scorer = draw.fill(nn.Sequential(nn.Linear(width, attention), nn.Tanh(), nn.Linear(attention, 1)), 0.5)
    out = pool(mode, rows, lengths, weights, scorer)
    inputs["d_out"] = draw.normal(*out.shape)
    wanted = {"values": values}
    if mode == "attention":
        wanted.update(w1=scorer[0].weight, b1=scorer[0].bias, w2=scorer[2].weight, b2=scorer[2].bias)
        inputs.update({name: wanted[name] for name in ("w1", "b1", "w2", "b2")})
    file.add(case, {"mode": mode, "vocab_size": vocabulary if table else 0, "padding_idx": padding_idx if table else -1,
                    "attention_width": attention if mode == "attention" else 0, "weighted": weighted},
             inputs, {"out": out, **gradients((inputs["d_out"] * out).sum(), wanted)})


def make_segment_pool():
    file = GoldenFile()
    lengths = [0, 1, 3, 2, 0, 0, 23, 1, 5, 0]
    for i, mode in enumerate(("sum", "mean", "max", "attention")):
        for table, weighted in itertools.product((True, False), (False, True)):
            pool_case(file, mode, table, weighted, [6, 5, 16, 19][(i + table + 2 * weighted) % 4], lengths,
                      padding_idx=-1 if weighted else 0)
        pool_case(file, mode, True, False, 3, lengths, padding_idx=4)
    pool_case(file, "last", True, False, 7, lengths, padding_idx=0)
    pool_case(file, "last", False, False, 5, lengths)
    return file
