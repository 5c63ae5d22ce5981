#!/usr/bin/env python3
"""Training rows/s of the reference model in PyTorch on the CPU, with pack_padded_sequence.

    ragtime train --data COHORT --task next_visit --min-code-count 0 --code-dropout 0 --lr 1e-30 --epochs 1 --out INITIAL
    ragtime train --data COHORT --task next_visit --min-code-count 0 --code-dropout 0 --out RUN
    scripts/bench_training_torch.py --data COHORT --initial INITIAL --run RUN

Twice, as people write it: `padded`, the reference model, with codes padded within visits and masked; `embedding_bag`,
which pads no codes.

It begins with the parameters of INITIAL and takes the examples, split, batches and optimizer of RUN (next_visit, or
binary_classification with --label-code and --predict-at date:; of their other options only --horizon-days, --seed and
--epochs may differ from the defaults), so that its losses must be those in RUN's history: they are compared before any
time is reported. It drops no codes, and a step of it does not depend on how many codes are rare. Batches are padded
beforehand; an epoch's time is that of forward, loss, backward, clipping and optimizer alone.
"""

import argparse
import datetime
import json
import pathlib
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

from ragtime_draws import plan_epoch, split_position
from reference_cohort import encode, known_by, last_time, pad, parse, read_cohort, read_timed_cohort, read_vocabulary
from reference_model import ReferenceModel, load

BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY, CLIP = 64, 1e-3, 0.01, 5.0  # ragtime train's defaults
LOSS_TOLERANCE = 1e-3


class BagModel(ReferenceModel):
    """The same model, its visits pooled by embedding_bag, which pads no codes; for mean aggregation."""

    def pooled(self, batch):
        rows = F.embedding_bag(batch["codes"], self.embedding.weight, batch["offsets"], mode="mean", padding_idx=0)
        return rows[batch["places"]]

    def forward(self, batch):
        return self.head(self.pooled(batch), batch["sequence_mask"])


class PaddedModel(ReferenceModel):
    def forward(self, batch):
        return super().forward(batch["visit_codes"], batch["visit_mask"], batch["sequence_mask"])


def examples_of(data, about):
    """patient -> (visits, label), as ragtime train takes them."""
    if about["task"] == "next_visit":
        return {patient: (visits, None) for patient, visits in read_cohort(data).items() if len(visits) > 1}
    rule, _, date = (about["predict_at"] or "").partition(":")
    if rule != "date" or about["gap_days"] != 0 or about["observed_until"] != "data":
        sys.exit("expected --predict-at date:YYYY-MM-DD, no gap, and observation until the end of the data")
    time = parse(date)[1]
    end = time + datetime.timedelta(days=about["horizon_days"])
    cohort = read_timed_cohort(data)
    if end > last_time(data, cohort):
        sys.exit(f"expected a window that is over by the end of the data: it ends at {end}")
    examples = {}
    for patient, visits in cohort.items():
        first = min((visit[about["label_code"]] for visit in visits if about["label_code"] in visit), default=None)
        known = known_by(visits, time)
        if known and (first is None or first > time):
            examples[patient] = known, float(first is not None and first <= end)
    return examples


def make_batch(patients, labels, vocabulary_size):
    """Everything a step needs, padded or flat, as tensors."""
    visit_codes, visit_mask, sequence_mask = pad(patients)
    visits = [visit for patient in patients for visit in patient]
    counts = torch.tensor([len(visit) for visit in visits])
    real = sequence_mask.bool()
    places = torch.zeros(real.shape, dtype=torch.long)
    places[real] = torch.arange(len(visits))
    batch = {"visit_codes": visit_codes, "visit_mask": visit_mask, "sequence_mask": sequence_mask, "places": places,
             "codes": torch.tensor([code for visit in visits for code in visit]), "offsets": counts.cumsum(0) - counts,
             "rows": len(visits)}
    if labels[0] is not None:
        batch["targets"] = torch.tensor(labels)[:, None]
        return batch
    followed = real.clone()
    followed[:, :-1] &= real[:, 1:]
    followed[:, -1] = False
    batch["followed"] = followed
    following = [visit for patient in patients for visit in patient[1:]]
    batch["targets"] = torch.zeros(len(following), vocabulary_size)
    for row, codes in enumerate(following):
        batch["targets"][row, codes] = 1
    return batch


def train_step(model, batch, optimizer):
    """Returns the mean loss and the number of elements it is the mean of."""
    logits = model(batch)
    if "followed" in batch:
        logits = logits[batch["followed"]]
    loss = F.binary_cross_entropy_with_logits(logits, batch["targets"])
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    optimizer.step()
    return loss.item(), logits.numel()


def read_run(data, folder):
    """The training examples of a run: vocabulary size, [(encoded visits, label)] and the seed."""
    about = json.loads((folder / "training.json").read_text())
    vocabulary = read_vocabulary(folder)
    examples = examples_of(data, about)
    chosen = [(encode(visits, vocabulary), label) for patient, (visits, label) in examples.items()
              if split_position(patient, about["seed"]) >= about["validation"]]
    return len(vocabulary), chosen, about["seed"]


def train(kind, options, vocabulary_size, examples, seed):
    """Returns rows/s and the loss of each epoch."""
    model = load(options.initial, kind).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)
    lengths = [len(visits) for visits, _ in examples]
    rates, losses = [], []
    for epoch in range(options.epochs):
        batches = [make_batch([examples[i][0] for i in batch], [examples[i][1] for i in batch], vocabulary_size)
                   for batch in plan_epoch(lengths, BATCH_SIZE, seed, epoch)]
        start = time.perf_counter()
        done = [train_step(model, batch, optimizer) for batch in batches]
        rates.append(sum(lengths) / (time.perf_counter() - start))
        losses.append(sum(loss * count for loss, count in done) / sum(count for _, count in done))
    return rates, losses


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=pathlib.Path, help="a folder in Synthea's CSV format")
    parser.add_argument("--initial", required=True, type=pathlib.Path, help="model directory with the first parameters")
    parser.add_argument("--run", required=True, type=pathlib.Path, help="model directory of the run to compare with")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    run = read_run(options.data, options.run)
    expected = [epoch["train_loss"] for epoch in json.loads((options.run / "history.json").read_text())["epochs"]]
    models = {}
    for name, kind in (("padded", PaddedModel), ("embedding_bag", BagModel)):
        rates, losses = train(kind, options, *run)
        for epoch, (loss, wanted) in enumerate(zip(losses, expected), 1):
            if not abs(loss - wanted) <= LOSS_TOLERANCE * wanted:
                sys.exit(f"{name}: the loss of epoch {epoch} is {loss:.7g}, in {options.run} it is {wanted:.7g}")
        models[name] = {"rows_per_second": rates, "train_loss": losses}
    print(json.dumps({"torch": torch.__version__, "threads": options.threads, "models": models}))


if __name__ == "__main__":
    main()
