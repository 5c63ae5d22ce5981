"""The reference model in PyTorch: codes -> embedding and visit pooling -> dropout -> packed LSTM -> dropout -> head.

ragtime's VisitLstm computes the same, with the same names and shapes of parameters. Two masks keep padding out:

    visit_mask     [B, T, C]  1 for a real code of a visit. A visit without codes pools to 0.
    sequence_mask  [B, T]     1 for a real visit, ones first. Every sequence needs one.
"""

import json
import math

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import safetensors_file

PATIENT_TASKS = ("binary_classification", "multi_class", "regression")
VISIT_TASKS = ("next_visit", "visit_binary", "survival")


class VisitEncoder(nn.Module):
    def __init__(self, embedding_dim, aggregation):
        super().__init__()
        if aggregation not in ("mean", "sum", "max", "attention"):
            raise ValueError(f"visit_aggregation is {aggregation!r}: expected mean, sum, max or attention")
        self.aggregation = aggregation
        if aggregation == "attention":
            hidden = embedding_dim // 2
            self.attention = nn.Sequential(nn.Linear(embedding_dim, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def forward(self, embeddings, mask):
        """embeddings [R, C, E], mask [R, C] -> [R, E]"""
        real = mask.bool()
        filled = real.any(1)
        kept = embeddings * real[..., None].to(embeddings.dtype)
        if self.aggregation == "sum":
            return kept.sum(1)
        if self.aggregation == "mean":
            return kept.sum(1) / real.sum(1, keepdim=True).clamp(min=1).to(embeddings.dtype)
        # Visits without codes get every code, so that nothing below divides by 0, and are then set to 0.
        allowed = real | ~filled[:, None]
        if self.aggregation == "max":
            pooled = embeddings.masked_fill(~allowed[..., None], -math.inf).max(1).values
        else:
            score = self.attention(embeddings).squeeze(-1).masked_fill(~allowed, -math.inf)
            pooled = (torch.softmax(score, 1)[..., None] * embeddings).sum(1)
        return pooled * filled[:, None].to(embeddings.dtype)


class ReferenceModel(nn.Module):
    def __init__(self, vocab_size, embedding_dim=128, hidden_dim=256, num_layers=1, dropout=0.0, bidirectional=False,
                 visit_aggregation="mean", output_dim=1, task="binary_classification", padding_idx=0):
        super().__init__()
        if task not in PATIENT_TASKS + VISIT_TASKS:
            raise ValueError(f"task is {task!r}: expected one of {', '.join(PATIENT_TASKS + VISIT_TASKS)}")
        self.task = task
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=padding_idx)
        self.visit_encoder = VisitEncoder(embedding_dim, visit_aggregation)
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(embedding_dim, hidden_dim, num_layers, batch_first=True, bidirectional=bidirectional,
                            dropout=dropout if num_layers > 1 else 0.0)
        self.fc = nn.Linear(hidden_dim * (2 if bidirectional else 1), output_dim)

    def visits(self, visit_codes, visit_mask):
        """[B, T, C] -> [B, T, E]"""
        batch, steps, codes = visit_codes.shape
        if visit_mask is None:
            visit_mask = torch.ones_like(visit_codes)
        embeddings = self.embedding(visit_codes.reshape(batch * steps, codes))
        return self.visit_encoder(embeddings, visit_mask.reshape(batch * steps, codes)).reshape(batch, steps, -1)

    def head(self, visits, sequence_mask):
        """[B, T, E] -> logits [B, K] of patient tasks, [B, T, K] of visit tasks"""
        if sequence_mask is None:
            sequence_mask = visits.new_ones(visits.shape[:2])
        lengths = sequence_mask.sum(1).long().cpu()
        if (lengths == 0).any():
            raise ValueError(f"{int((lengths == 0).sum())} sequences have zero length: expected a visit in each")
        packed = pack_padded_sequence(self.dropout(visits), lengths, batch_first=True, enforce_sorted=False)
        packed_output, (hidden, _) = self.lstm(packed)
        if self.task in PATIENT_TASKS:
            final = torch.cat([hidden[-2], hidden[-1]], 1) if self.lstm.bidirectional else hidden[-1]
            return self.fc(self.dropout(final))
        output, _ = pad_packed_sequence(packed_output, batch_first=True, total_length=visits.shape[1])
        return self.fc(self.dropout(output))

    def forward(self, visit_codes, visit_mask=None, sequence_mask=None):
        """visit_codes [B, T, C]; the masks as above. Without a mask everything is real."""
        return self.head(self.visits(visit_codes, visit_mask), sequence_mask)


def load(folder, kind=ReferenceModel):
    """The model of a model directory."""
    model = kind(**json.loads((folder / "config.json").read_text()))
    tensors, _ = safetensors_file.read(folder / "model.safetensors")
    model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in tensors.items()}, strict=True)
    return model


def activate(task, logits):
    """What ragtime predict writes."""
    if task == "regression":
        return logits
    return torch.softmax(logits, -1) if task == "multi_class" else torch.sigmoid(logits)
