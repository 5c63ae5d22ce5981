"""Losses: PyTorch's without reduction on the rows that count, survival from its formula, then each reduction."""

import math

import torch
from torch.nn import functional as F

from .common import Draw, GoldenFile, offsets_of, spread


def reduce(elements, row_weight, denominator, sequence, reduction):
    """elements [rows, K], row_weight and denominator [rows] of valid rows, sequence [rows]: whose they are."""
    weighted = elements * row_weight[:, None]
    if reduction == "none":
        return weighted
    if reduction == "sum":
        return weighted.sum()
    if reduction == "mean":
        return weighted.sum() / denominator.sum()
    means = [weighted[sequence == b].sum() / denominator[sequence == b].sum() for b in sequence.unique()]
    return torch.stack(means).mean()


def loss_elements(about, logits, target, options):
    """Losses of valid rows [rows, K or 1] and what each row adds to the denominator of the mean, for a weight of 1."""
    if about["kind"] == "cross_entropy":
        labels, weight = target.long(), options.get("class_weight")
        losses = F.cross_entropy(logits, labels, weight=weight, reduction="none",
                                 label_smoothing=about["label_smoothing"])
        share = torch.ones(len(labels), dtype=torch.float64) if weight is None else weight[labels]
        torch_mean = F.cross_entropy(logits, labels, weight=weight, label_smoothing=about["label_smoothing"])
        losses = losses[:, None]
    elif about["kind"] == "bce_with_logits":
        weight = options.get("pos_weight")
        losses = F.binary_cross_entropy_with_logits(logits, target, pos_weight=weight, reduction="none")
        torch_mean = F.binary_cross_entropy_with_logits(logits, target, pos_weight=weight)
        share = torch.full((len(logits),), float(logits.shape[1]), dtype=torch.float64)
    else:
        losses = F.mse_loss(logits, target, reduction="none")
        torch_mean = F.mse_loss(logits, target)
        share = torch.full((len(logits),), float(logits.shape[1]), dtype=torch.float64)
    assert torch.allclose(losses.sum() / share.sum(), torch_mean, rtol=1e-12, atol=0)
    return losses, share


def survival_elements(logits_given, values, first, event_time, observed):
    """Discrete-time survival of each sequence [B, 1], from its formula."""
    log_event = F.logsigmoid(values) if logits_given else torch.log(values)
    log_no_event = F.logsigmoid(-values) if logits_given else torch.log1p(-values)
    losses = []
    for begin, time, seen in zip(first, event_time, observed):
        survived = log_no_event[begin : begin + time].sum()
        last = log_event[begin + time] if seen else log_no_event[begin + time]
        losses.append(-(survived + last))
    return torch.stack(losses)[:, None]


def masked_loss_case(file, name, kind, layout, outputs=1, weighted=False, class_weight=None, pos_weight=None,
                     smoothing=0.0, ignored=False, logits_given=True):
    draw = Draw("masked_loss " + name)
    # A sequence without visits has no rows; in a layout of one row a sequence it would be masked.
    lengths = [3, 1, 4, 2, 2, 5] if layout == "sequences" else [3, 1, 4, 0, 2, 5]
    steps = max(lengths) + 2
    rows = len(lengths) if layout == "sequences" else sum(lengths)
    of_rows = [1] * len(lengths) if layout == "sequences" else lengths
    sequence = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(of_rows))
    about = {"kind": kind, "layout": layout, "lengths": lengths, "outputs": outputs, "padded_steps": steps,
             "label_smoothing": smoothing, "ignore_index": 1 if ignored else -100, "hazards_are_logits": logits_given}
    units = len(lengths) if kind == "survival" else rows
    weight = torch.ones(units, dtype=torch.float64)
    inputs, options = {}, {}
    if weighted:
        weight = draw.uniform(units, low=0.25, high=2.0)
        weight[::3] = 0
    logits = draw.uniform(rows, low=0.05, high=0.9) if not logits_given else draw.normal(rows, outputs, scale=2)
    if pos_weight:
        options["pos_weight"] = draw.uniform(outputs, low=0.5, high=4)
    if class_weight is not None:
        options["class_weight"] = torch.tensor(class_weight, dtype=torch.float64)
    inputs.update(options)

    if kind == "survival":
        time = torch.tensor([2, 0, 1, -1, 1, -1], dtype=torch.int32)  # the last one is masked
        observed = torch.tensor([1, 0, 1, 0, 0, 1], dtype=torch.uint8)
        inputs.update(event_time=time, observed=observed)
        valid = ((time >= 0) & (weight > 0)).nonzero()[:, 0]
    elif kind == "cross_entropy":
        target = draw.integers(rows, low=0, high=outputs)
        valid = ((weight > 0) & (target != about["ignore_index"])).nonzero()[:, 0]
    else:
        target = draw.normal(rows, outputs) if kind == "mse" else draw.uniform(rows, outputs).round()
        if kind == "bce_with_logits":
            target[-1] = 0.25  # soft targets are allowed
        valid = (weight > 0).nonzero()[:, 0]
        hidden = (weight == 0).nonzero()[:, 0]
        logits[hidden] = math.nan  # nothing of a masked row is read
        target[hidden] = math.nan

    logits.requires_grad_()
    if kind == "survival":
        elements = survival_elements(logits_given, logits.flatten(), offsets_of(lengths)[valid].tolist(),
                                     time[valid].tolist(), observed[valid].tolist())
        share, whose = torch.ones(len(valid), dtype=torch.float64), valid
    else:
        elements, share = loss_elements(about, logits[valid], target[valid], options)
        whose = sequence[valid]
        if kind == "cross_entropy":
            inputs["labels"] = spread(layout, lengths, steps, target, 12345)
        else:
            inputs["targets"] = spread(layout, lengths, steps, target, math.nan)
    inputs["logits"] = spread(layout, lengths, steps, logits.detach(), math.nan)
    if weighted:
        inputs["row_weight"] = weight if kind == "survival" else spread(layout, lengths, steps, weight, math.nan)

    denominator = weight[valid] * share
    results = {}
    for reduction in ("none", "sum", "mean", "mean_per_sequence"):
        loss = reduce(elements, weight[valid], denominator, whose, reduction)
        (d_logits,) = torch.autograd.grad(loss.sum(), logits, retain_graph=True)
        results[f"d_logits_{reduction}"] = spread(layout, lengths, steps, d_logits, 0.0)
        if reduction == "none":
            loss = torch.zeros(units, elements.shape[1], dtype=torch.float64).index_put((valid,), loss)
            if kind != "survival":
                loss = spread(layout, lengths, steps, loss, 0.0)
        results[f"loss_{reduction}"] = loss
        results[f"weight_sum_{reduction}"] = (
            torch.tensor(float(len(whose.unique())), dtype=torch.float64) if reduction == "mean_per_sequence"
            else denominator.sum())
    file.add(name, about, inputs, results)


def make_masked_loss():
    file = GoldenFile()
    for layout in ("rows", "sequences", "padded"):
        for weighted in (False, True):
            suffix = f"_{layout}{'_weighted' if weighted else ''}"
            masked_loss_case(file, "bce1" + suffix, "bce_with_logits", layout, 1, weighted)
            masked_loss_case(file, "bce5_pos" + suffix, "bce_with_logits", layout, 5, weighted, pos_weight=True)
            masked_loss_case(file, "ce" + suffix, "cross_entropy", layout, 4, weighted)
            masked_loss_case(file, "ce_class_smooth_ignore" + suffix, "cross_entropy", layout, 4, weighted,
                             class_weight=[0.5, 1, 2, 3], smoothing=0.125, ignored=True)
            masked_loss_case(file, "mse" + suffix, "mse", layout, 3, weighted)
            if layout != "sequences":
                masked_loss_case(file, "survival_logits" + suffix, "survival", layout, 1, weighted)
                masked_loss_case(file, "survival_hazards" + suffix, "survival", layout, 1, weighted, logits_given=False)
    # A class of weight 0 still takes its share of the smoothing, and so has a gradient.
    masked_loss_case(file, "ce_class_zero_smooth", "cross_entropy", "rows", 3, class_weight=[1, 0, 2], smoothing=0.25)
    masked_loss_case(file, "ce_smooth_all", "cross_entropy", "rows", 3, smoothing=1.0)
    return file
