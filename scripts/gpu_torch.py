#!/usr/bin/env python3
"""The peers in PyTorch over the named workloads: nn.LSTM packed and padded, TorchRL's LSTM in Triton over rollouts with
resets, and the reference model's training step, eager and compiled, on a GPU or the CPU. One line of JSON a case, as the
programs of benchmarks/gpu write them.

    build/bench/benchmarks/gpu/gpu_workloads >workloads.json
    scripts/gpu_torch.py --workloads workloads.json --device cuda --out torch.jsonl [--filter REGEX] [--seconds 0.25]

Names are operation/workload/size/type/algorithm/pass. Sequences are packed and batches padded beforehand, and the lengths
are on the CPU, as PyTorch wants them. Packed and padded must agree on the real rows before either is timed, TorchRL's with
packed. On a GPU an LSTM is timed a second time as a CUDA graph; why that cannot be captured is then the row. Without
PyTorch, or without the device, it says so and ends with status 77.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

SKIPPED = 77
REPETITIONS = 5
BATCH_SECONDS = 2e-3  # launches between two events: at least so long together
ROLLOUT_STEPS = 128  # of the workload of that name
ROOT = pathlib.Path(__file__).resolve().parent.parent

try:
    import torch
    from torch import nn
    from torch.nn import functional as F
    from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
except ImportError as problem:
    print(f"skipped: no PyTorch here: {problem}")
    sys.exit(SKIPPED)

from reference_model import ReferenceModel

# Storage, whether f32 factors may be rounded, and how far packed and padded may differ, as a share of the largest.
TYPES = {"f32": (torch.float32, False, 1e-4), "tf32": (torch.float32, True, 2e-2),
         "bf16": (torch.bfloat16, False, 1e-1), "f16": (torch.float16, False, 2e-2)}


class Clock:
    """Seconds of a number of runs."""

    def __init__(self, device):
        self.cuda = device == "cuda"

    def wait(self):
        if self.cuda:
            torch.cuda.synchronize()

    def seconds(self, run, count):
        if not self.cuda:
            start = time.perf_counter()
            for _ in range(count):
                run()
            return time.perf_counter() - start
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        first.record()
        for _ in range(count):
            run()
        last.record()
        last.synchronize()
        return first.elapsed_time(last) * 1e-3

    def milliseconds(self, run, seconds):
        """One number a repetition."""
        for _ in range(3):
            run()
        self.wait()
        batch = 1
        while self.seconds(run, batch) < BATCH_SECONDS and batch < 1 << 20:
            batch *= 2
        numbers = []
        for _ in range(REPETITIONS):
            spent, count = 0.0, 0
            while spent < seconds / REPETITIONS or count == 0:
                spent += self.seconds(run, batch)
                count += batch
            numbers.append(spent / count * 1e3)
        return numbers


def captured(run):
    """The same work as a CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # so that what the first runs set up is no part of the graph
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def set_precision(tf32):
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32


def median(numbers):
    ordered = sorted(numbers)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def close(actual, expected, share, what):
    actual, expected = actual.float(), expected.float()
    difference = (actual - expected).abs().max().item()
    if not difference <= share * expected.abs().max().item():
        raise AssertionError(f"wrong: {what} differs by {difference}")


class Lstm:
    """nn.LSTM over a workload, packed and padded."""

    def __init__(self, lengths, size, type_name, device):
        torch.manual_seed(1)
        self.dtype, tf32, self.share = TYPES[type_name]
        set_precision(tf32)
        self.lstm = nn.LSTM(size["input"], size["hidden"], size["layers"], batch_first=True).to(device, self.dtype)
        self.lengths = torch.tensor(lengths)
        self.padded = torch.randn(len(lengths), max(lengths), size["input"]).to(device, self.dtype)
        self.packed = pack_padded_sequence(self.padded, self.lengths, batch_first=True, enforce_sorted=False)
        self.d_packed = torch.randn(len(self.packed.data), size["hidden"]).to(device, self.dtype)
        self.d_padded, _ = pad_packed_sequence(self.like_packed(self.d_packed), batch_first=True)

    def like_packed(self, data):
        return PackedSequence(data, self.packed.batch_sizes, self.packed.sorted_indices, self.packed.unsorted_indices)

    @torch.no_grad()
    def packed_forward(self):
        return self.lstm(self.packed)[0]

    @torch.no_grad()
    def padded_forward(self):
        return self.lstm(self.padded)[0]

    def packed_forward_backward(self):
        x = self.packed.data.detach().requires_grad_()
        y, _ = self.lstm(self.like_packed(x))
        return torch.autograd.grad(y.data, [x, *self.lstm.parameters()], self.d_packed)

    def padded_forward_backward(self):
        x = self.padded.detach().requires_grad_()
        y, _ = self.lstm(x)
        return torch.autograd.grad(y, [x, *self.lstm.parameters()], self.d_padded)

    def pack(self, padded):
        return pack_padded_sequence(padded, self.lengths, batch_first=True, enforce_sorted=False).data

    def verify(self):
        close(self.packed_forward().data, self.pack(self.padded_forward()), self.share, "y packed and padded")
        packed, padded = self.packed_forward_backward(), self.padded_forward_backward()
        close(packed[0], self.pack(padded[0]), self.share, "d_x packed and padded")
        for one, other in zip(packed[1:], padded[1:]):
            close(one, other, self.share, "a weight's gradient packed and padded")


class Rollout:
    """TorchRL's LSTMModule over rollouts in which a reset begins a new sequence, with the weights of an nn.LSTM."""

    def __init__(self, lengths, size, type_name, device, storage, backend="triton"):
        from tensordict import TensorDict
        from torchrl.modules import LSTMModule

        self.packed, self.share = Lstm(lengths, size, storage, device), TYPES[type_name][2]
        self.module = LSTMModule(
            lstm=self.packed.lstm, in_keys=["x", "h", "c"], out_keys=["y", ("next", "h"), ("next", "c")],
            recurrent_backend=backend, default_recurrent_mode=True,
            recurrent_compute_dtype=torch.float32 if type_name == "tf32" else TYPES[type_name][0])
        starts = torch.zeros(sum(lengths), dtype=torch.bool)
        starts[torch.tensor([0, *lengths[:-1]]).cumsum(0)] = True
        starts = starts.view(-1, ROLLOUT_STEPS, 1)
        if not starts[:, 0].all():
            raise AssertionError(f"wrong: the workload is not one of rollouts of {ROLLOUT_STEPS} steps")
        self.x, self.d_y = (self.in_rollouts(padded) for padded in (self.packed.padded, self.packed.d_padded))
        state = self.x.new_zeros(*starts.shape[:2], size["layers"], size["hidden"])
        self.given = TensorDict({"h": state, "c": state.clone(), "is_init": starts.to(device)}, starts.shape[:2])

    def in_rollouts(self, padded):
        """Sequences stand one behind the other in the rollouts."""
        rows = torch.cat([sequence[:length] for sequence, length in zip(padded, self.packed.lengths.tolist())])
        return rows.view(-1, ROLLOUT_STEPS, rows.shape[-1])

    def run(self, x):
        return self.module(self.given.copy().set("x", x))["y"]

    @torch.no_grad()
    def forward(self):
        return self.run(self.x)

    def forward_backward(self):
        x = self.x.detach().requires_grad_()
        return torch.autograd.grad(self.run(x), [x, *self.packed.lstm.parameters()], self.d_y)

    def verify(self):
        def expected(data):
            return self.in_rollouts(pad_packed_sequence(self.packed.like_packed(data), batch_first=True)[0])

        close(self.forward(), expected(self.packed.packed_forward().data), self.share, "y of rollouts and packed")
        rollouts, packed = self.forward_backward(), self.packed.packed_forward_backward()
        close(rollouts[0], expected(packed[0]), self.share, "d_x of rollouts and packed")
        for one, other in zip(rollouts[1:], packed[1:]):
            close(one, other, self.share, "a weight's gradient of rollouts and packed")


class TrainStep:
    """A training step of the reference model: padded codes and visits, masks, AdamW, clipping."""

    def __init__(self, workload, size, task, type_name, device, compiled):
        torch.manual_seed(1)
        self.dtype, tf32, _ = TYPES[type_name]
        set_precision(tf32)
        self.device, self.task, vocabulary = device, task, workload["vocab_size"]
        self.batch = self.pad(workload)
        outputs = vocabulary if task == "next_visit" else 1
        self.model = ReferenceModel(vocabulary, size["input"], size["hidden"], size["layers"], output_dim=outputs,
                                    task=task).to(device).train()
        fused = {"fused": True} if device == "cuda" else {}
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, weight_decay=0.01, **fused)
        self.called = torch.compile(self.model) if compiled else self.model
        real = self.batch[2].bool()
        if task == "next_visit":
            self.followed = real.clone()
            self.followed[:, :-1] &= real[:, 1:]
            self.followed[:, -1] = False
            present = torch.zeros(*real.shape, vocabulary, device=device)
            present.scatter_(2, self.batch[0].long(), self.batch[1].float())
            self.targets = present[:, 1:][real[:, 1:]]
        else:
            self.targets = (torch.arange(real.shape[0], device=device) % 2).float()[:, None]

    def pad(self, workload):
        lengths, offsets, codes = workload["lengths"], workload["code_offsets"], torch.tensor(workload["codes"])
        counts = [b - a for a, b in zip(offsets, offsets[1:])]
        visit_codes = torch.zeros(len(lengths), max(lengths), max(counts), dtype=torch.long)
        visit_mask = torch.zeros_like(visit_codes)
        sequence_mask = torch.zeros(len(lengths), max(lengths), dtype=torch.long)
        row = 0
        for b, length in enumerate(lengths):
            sequence_mask[b, :length] = 1
            for t in range(length):
                visit_codes[b, t, : counts[row]] = codes[offsets[row]: offsets[row + 1]]
                visit_mask[b, t, : counts[row]] = 1
                row += 1
        return [tensor.to(self.device) for tensor in (visit_codes, visit_mask, sequence_mask)]

    def run(self):
        plain = self.dtype == torch.float32
        with contextlib.nullcontext() if plain else torch.autocast(self.device, self.dtype):
            logits = self.called(*self.batch)
        if self.task == "next_visit":
            logits = logits[self.followed]
        loss = F.binary_cross_entropy_with_logits(logits.float(), self.targets)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimizer.step()
        return loss

    def verify(self):
        losses = [self.run().item() for _ in range(8)]
        if not (0 < losses[-1] < losses[0]):
            raise AssertionError(f"wrong: the loss goes from {losses[0]} to {losses[-1]}")


def lstm_shape(workload, size):
    lengths = workload["lengths"]
    return {"B": len(lengths), "N": sum(lengths), "T": max(lengths), **{key: size[key] for key in ("input", "hidden", "layers")}}


def lstm_cases(name, workload, device):
    for size in workload["sizes"]:
        for type_name in TYPES if device == "cuda" else ["f32"]:
            made = []

            def lstm(size=size, type_name=type_name, made=made):
                if not made:
                    made.append(Lstm(workload["lengths"], size, type_name, device))
                    made[0].verify()
                set_precision(TYPES[type_name][1])
                return made[0]

            for step in ("forward", "forward_backward"):
                for layout in ("packed", "padded"):
                    yield {"operation": "lstm", "workload": name, "size": size["name"], "shape": lstm_shape(workload, size),
                           "dtype": type_name, "algorithm": f"torch_{layout}", "pass": step}, \
                        lambda lstm=lstm, layout=layout, step=step: getattr(lstm(), f"{layout}_{step}")


def rollout_cases(name, workload, device):
    """TorchRL's. Its Triton kernels multiply in bf16 or, by default, in tf32; they were made for f32 on both sides."""
    if name != "rollout":
        return
    for size in workload["sizes"]:
        for type_name, storage in (("tf32", "tf32"), ("bf16", "bf16"), ("bf16", "tf32")):
            def made(step, size=size, type_name=type_name, storage=storage):
                rollout = Rollout(workload["lengths"], size, type_name, device, storage)
                rollout.verify()
                return getattr(rollout, step)

            for step in ("forward", "forward_backward"):
                yield {"operation": "lstm", "workload": name, "size": size["name"], "shape": lstm_shape(workload, size),
                       "dtype": type_name, "algorithm": "torch_rl_triton" + ("_f32_storage" if storage != type_name else ""),
                       "pass": step}, lambda made=made, step=step: made(step)


def train_cases(name, workload, device):
    if "vocab_size" not in workload:
        return
    for size in workload["sizes"]:
        for task in ("binary_classification", "next_visit"):
            if task == "next_visit" and name == "large":
                continue  # its logits would fill the memory of any GPU
            for type_name in ("f32", "bf16") if device == "cuda" else ("f32",):
                # Compiling takes long; what it gains shows on a GPU.
                for compiled in (False, True) if device == "cuda" else (False,):
                    def make(size=size, task=task, type_name=type_name, compiled=compiled):
                        step = TrainStep(workload, size, task, type_name, device, compiled)
                        step.verify()
                        return step.run

                    yield {"operation": "train_step", "workload": name, "size": size["name"],
                           "shape": {"B": len(workload["lengths"]), "N": sum(workload["lengths"]),
                                     "T": max(workload["lengths"]), "V": workload["vocab_size"], "E": size["input"],
                                     "H": size["hidden"], "L": size["layers"]},
                           "dtype": type_name, "algorithm": f"torch_{'compile' if compiled else 'eager'}_{task}",
                           "pass": "train_step"}, make


def about(device):
    """Of every row."""
    commit = os.environ.get("RAGTIME_COMMIT")
    if commit is None:
        found = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=12", "--exclude", "*"],
                               capture_output=True, text=True, check=False)
        commit = found.stdout.strip()
    facts = {"device": torch.cuda.get_device_name() if device == "cuda" else f"cpu, {torch.get_num_threads()} threads",
             "torch": torch.__version__}
    if device == "cuda":
        facts["cudnn"] = torch.backends.cudnn.version()
        version = pathlib.Path("/proc/driver/nvidia/version")
        found = re.search(r"\b\d+\.\d+(\.\d+)?\b", version.read_text()) if version.exists() else None
        if found:
            facts["driver"] = found.group()
    if commit:
        facts["commit"] = commit
    facts["command"] = " ".join(sys.argv)
    return facts


def measure(row, make, clock, seconds):
    try:
        run = make()
        numbers = clock.milliseconds(captured(run) if row["launch"] == "graph" else run, seconds)
    except AssertionError as problem:
        return {**row, "supported": True, "reason": str(problem)}
    except Exception as problem:  # what PyTorch cannot do, out of memory among it, is a result too
        return {**row, "supported": False, "reason": f"{type(problem).__name__}: {problem}".splitlines()[0]}
    ms = median(numbers)
    return {**row, "supported": True, "verified": True, "ms": ms, "ms_min": min(numbers), "ms_max": max(numbers),
            "repetitions": len(numbers), "us_per_step": ms * 1e3 / row["shape"]["T"],
            "ns_per_row": ms * 1e6 / row["shape"]["N"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", required=True, type=pathlib.Path, help="what gpu_workloads wrote")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--filter", default="", help="measure the names in which this is found")
    parser.add_argument("--seconds", type=float, default=0.25, help="for each case")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("skipped: PyTorch finds no CUDA device here")
        return SKIPPED
    clock, facts, wrong = Clock(options.device), about(options.device), False
    with options.out.open("w") as out:
        for name, workload in json.loads(options.workloads.read_text()).items():
            if name == "tiny" and not options.filter:
                continue
            for cases in (lstm_cases, rollout_cases, train_cases):
                for row, make in cases(name, workload, options.device):
                    case = "/".join(row[key] for key in ("operation", "workload", "size", "dtype", "algorithm", "pass"))
                    if not re.search(options.filter, case):
                        continue
                    captures = options.device == "cuda" and row["operation"] == "lstm"
                    for launch in ("stream", "graph") if captures else ("stream",):
                        result = measure({**row, "launch": launch}, make, clock, options.seconds)
                        wrong |= result.get("reason", "").startswith("wrong")
                        print(f"{case}/{launch}", f"{result['ms']:.4g} ms" if "ms" in result else result["reason"], flush=True)
                        out.write(json.dumps({**result, **facts}) + "\n")
                        out.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
