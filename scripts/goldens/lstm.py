"""LSTM over ragged rows, and its single step: nn.LSTM on packed sequences."""

import itertools
import math

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from .common import Draw, GoldenFile, gradients, offsets_of


def cell_states(lstm, suffix, rows, h, c):
    """c_t of one layer and direction over one sequence, written out; nn.LSTM gives the last alone."""
    weight = {name: getattr(lstm, f"{name}_{suffix}") for name in ("weight_ih", "weight_hh")}
    bias = getattr(lstm, f"bias_ih_{suffix}") + getattr(lstm, f"bias_hh_{suffix}") if lstm.bias else 0
    states = []
    for row in rows:
        i, f, g, o = (weight["weight_ih"] @ row + weight["weight_hh"] @ h + bias).chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        if lstm.proj_size:
            h = getattr(lstm, f"weight_hr_{suffix}") @ h
        states.append(c)
    return torch.stack(states)


def last_layer_cells(lstm, sequences, h0, c0):
    """c_t of the last layer [N, D*H], directions side by side."""
    directions = 2 if lstm.bidirectional else 1
    rows = []
    for b, sequence in enumerate(sequences):
        below = sequence
        if lstm.num_layers > 1:
            lower = nn.LSTM(lstm.input_size, lstm.hidden_size, lstm.num_layers - 1, bias=lstm.bias,
                            bidirectional=lstm.bidirectional, proj_size=lstm.proj_size).double()
            lower.load_state_dict({name: lstm.state_dict()[name] for name in lower.state_dict()})
            kept = directions * (lstm.num_layers - 1)
            below, _ = lower(sequence[:, None], (h0[:kept, b : b + 1].contiguous(), c0[:kept, b : b + 1].contiguous()))
            below = below[:, 0]
        layer = lstm.num_layers - 1
        first = directions * layer
        states = [cell_states(lstm, f"l{layer}", below, h0[first, b], c0[first, b])]
        if lstm.bidirectional:
            reverse = cell_states(lstm, f"l{layer}_reverse", below.flip(0), h0[first + 1, b], c0[first + 1, b])
            states.append(reverse.flip(0))
        rows.append(torch.cat(states, 1))
    return torch.cat(rows)


def lstm_case(file, layers, directions, projected, bias, input_size, hidden, lengths, initial):
    case = f"layers{layers}_directions{directions}{'_projected' if projected else ''}{'' if bias else '_nobias'}"
    draw = Draw("lstm " + case)
    proj = max(1, hidden - 2) if projected else 0
    lstm = nn.LSTM(input_size, hidden, layers, bias=bias, batch_first=True, bidirectional=directions == 2,
                   proj_size=proj)
    draw.fill(lstm, 1 / math.sqrt(hidden))
    width, batch, stacked = proj or hidden, len(lengths), layers * directions

    x = draw.normal(sum(lengths), input_size).requires_grad_()
    h0 = draw.normal(stacked, batch, width, scale=0.5 * initial).requires_grad_()
    c0 = draw.normal(stacked, batch, hidden, scale=0.5 * initial).requires_grad_()
    sequences = torch.split(x, lengths)
    packed = pack_padded_sequence(pad_sequence(sequences, batch_first=True), torch.tensor(lengths), batch_first=True,
                                  enforce_sorted=False)
    packed_y, (h_n, c_n) = lstm(packed, (h0, c0))
    padded_y, _ = pad_packed_sequence(packed_y, batch_first=True)
    y = torch.cat([padded_y[b, :length] for b, length in enumerate(lengths)])

    incoming = {"d_y": draw.normal(*y.shape), "d_h_n": draw.normal(*h_n.shape), "d_c_n": draw.normal(*c_n.shape)}
    loss = (incoming["d_y"] * y).sum() + (incoming["d_h_n"] * h_n).sum() + (incoming["d_c_n"] * c_n).sum()
    weights = dict(lstm.named_parameters())
    inputs = {"x": x, **weights, **incoming}
    wanted = {"x": x, **weights}
    if initial:
        inputs.update(h0=h0, c0=c0)
        wanted.update(h0=h0, c0=c0)
    cells = last_layer_cells(lstm, sequences, h0, c0)
    ends = offsets_of(lengths)[1:].long() - 1
    assert torch.allclose(cells[ends, :hidden], c_n[-directions], rtol=1e-12, atol=1e-14)
    results = {"y": y, "h_n": h_n, "c_n": c_n, "c_seq": cells}
    results.update(gradients(loss, wanted))
    about = {"lengths": lengths, "input_size": input_size, "hidden_size": hidden, "num_layers": layers,
             "bidirectional": directions == 2, "bias": bias, "proj_size": proj}
    file.add(case, about, inputs, results)


def make_lstm():
    file = GoldenFile()
    lengths = [[3, 1, 5, 2], [1], [4, 7, 1, 1, 2], [2, 2, 2], [1, 1], [9, 1, 1, 4]]
    sizes = [(3, 4), (5, 3), (1, 6), (7, 5), (4, 9), (2, 3)]
    for i, (layers, directions, projected, bias) in enumerate(
            itertools.product((1, 2, 3), (1, 2), (False, True), (True, False))):
        input_size, hidden = (9, 17) if (layers, directions) == (1, 1) and not projected else sizes[i % len(sizes)]
        lstm_case(file, layers, directions, projected, bias, input_size, hidden, lengths[i % 5 if i % 7 else 5],
                  initial=i % 3 != 1)
    return file


def make_lstm_step():
    file = GoldenFile()
    for layers, proj, bias, batch, given in [(1, 0, True, 1, True), (1, 0, False, 3, False), (2, 0, True, 4, True),
                                             (3, 3, True, 2, True), (2, 2, False, 1, False)]:
        case = f"layers{layers}_proj{proj}_batch{batch}{'' if bias else '_nobias'}{'' if given else '_nostate'}"
        draw = Draw("lstm_step " + case)
        input_size, hidden = 4, 5
        lstm = draw.fill(nn.LSTM(input_size, hidden, layers, bias=bias, proj_size=proj), 1 / math.sqrt(hidden))
        x = draw.normal(batch, input_size).requires_grad_()
        h = draw.normal(layers, batch, proj or hidden, scale=0.5 * given).requires_grad_()
        c = draw.normal(layers, batch, hidden, scale=0.5 * given).requires_grad_()
        _, (h_next, c_next) = lstm(x[None], (h, c))
        incoming = {"d_h_next": draw.normal(*h_next.shape), "d_c_next": draw.normal(*c_next.shape)}
        loss = (incoming["d_h_next"] * h_next).sum() + (incoming["d_c_next"] * c_next).sum()
        weights = dict(lstm.named_parameters())
        inputs = {"x": x, **weights, **incoming}
        wanted = {"x": x, **weights}
        if given:
            inputs.update(h=h, c=c)
            wanted.update(h=h, c=c)
        file.add(case, {"input_size": input_size, "hidden_size": hidden, "num_layers": layers, "bias": bias,
                        "proj_size": proj, "sequences": batch},
                 inputs, {"h_next": h_next, "c_next": c_next, **gradients(loss, wanted)})
    return file
