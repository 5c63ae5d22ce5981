"""torch.optim.AdamW behind clip_grad_norm_, several steps."""

import math

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_

from .common import Draw, GoldenFile


def make_adamw():
    file = GoldenFile()
    for case, options, clip in [
            ("plain", {"lr": 1e-3, "weight_decay": 0.0}, 0),
            ("decay_clip", {"lr": 1e-2, "weight_decay": 0.1}, 1.0),
            ("betas", {"lr": 3e-2, "betas": (0.5, 0.9), "eps": 1e-4, "weight_decay": 0.01}, 5.0)]:
        draw = Draw("adamw " + case)
        parameters = [nn.Parameter(draw.normal(*shape)) for shape in ((5, 6), (11,))]
        begin = torch.cat([p.detach().flatten() for p in parameters]).clone()
        steps = 6
        grads = draw.normal(steps, len(begin)) * draw.uniform(steps, 1, low=0.05, high=1.5)
        grads = grads.float().double()
        optimizer = torch.optim.AdamW(parameters, **options)
        after, norms = [], []
        for grad in grads:
            for parameter, part in zip(parameters, torch.split(grad, [30, 11])):
                parameter.grad = part.reshape(parameter.shape).clone()
            norms.append(clip_grad_norm_(parameters, clip if clip else math.inf))
            optimizer.step()
            after.append(torch.cat([p.detach().flatten() for p in parameters]).clone())
        moments = {name: torch.cat([optimizer.state[p][key].flatten() for p in parameters])
                   for name, key in (("first_moment", "exp_avg"), ("second_moment", "exp_avg_sq"))}
        group = optimizer.param_groups[0]
        about = {"learning_rate": group["lr"], "beta1": group["betas"][0], "beta2": group["betas"][1],
                 "epsilon": group["eps"], "weight_decay": group["weight_decay"], "clip_norm": clip}
        file.add(case, about, {"parameters": begin, "gradients": grads},
                 {"after": torch.stack(after), "norms": torch.stack(norms), **moments})
    return file
