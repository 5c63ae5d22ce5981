"""nn.Linear."""

import math

from torch import nn

from .common import Draw, GoldenFile, gradients


def make_linear():
    file = GoldenFile()
    for rows, inputs, outputs, bias in [(1, 1, 1, True), (7, 5, 3, True), (13, 17, 33, False), (2, 64, 1, True)]:
        case = f"rows{rows}_in{inputs}_out{outputs}{'' if bias else '_nobias'}"
        draw = Draw("linear " + case)
        layer = draw.fill(nn.Linear(inputs, outputs, bias=bias), 1 / math.sqrt(inputs))
        x = draw.normal(rows, inputs).requires_grad_()
        y = layer(x)
        d_y = draw.normal(*y.shape)
        wanted = {"x": x, **dict(layer.named_parameters())}
        file.add(case, {"bias": bias}, {**wanted, "d_y": d_y}, {"y": y, **gradients((d_y * y).sum(), wanted)})
    return file
