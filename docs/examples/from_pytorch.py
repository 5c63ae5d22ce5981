import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

torch.set_default_dtype(torch.float64)  # the other program computes in f32; this one is what it is held against

# Three patients with 2, 1 and 3 visits, padded to 3; a label for each visit and one for each patient.
B, T, E, H = 3, 3, 4, 5
sequence_mask = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 1, 1]])
visits = (0.7 * torch.arange(B * T * E, dtype=torch.float64)).sin().float().double().reshape(B, T, E)
visit_labels = torch.tensor([[0, 1, 9], [1, 9, 9], [0, 1, 0]]).double()  # 9: padding
patient_labels = torch.tensor([0, 1, 1]).double()

lstm = nn.LSTM(E, H, batch_first=True, bidirectional=True)
visit_head, patient_head = nn.Linear(2 * H, 1), nn.Linear(2 * H, 1)
parameters = [*lstm.parameters(), *visit_head.parameters(), *patient_head.parameters()]
count = sum(p.numel() for p in parameters)
numbers = (0.4 * (1.3 * torch.arange(count, dtype=torch.float64)).sin()).float().double()
nn.utils.vector_to_parameters(numbers, parameters)  # any numbers, the same in both programs
adamw = torch.optim.AdamW(parameters, lr=0.01)

for step in range(3):
    adamw.zero_grad()
    lengths = sequence_mask.sum(dim=1).cpu()
    packed = pack_padded_sequence(visits, lengths, batch_first=True, enforce_sorted=False)
    packed_output, (hidden, cell) = lstm(packed)
    output, _ = pad_packed_sequence(packed_output, batch_first=True)
    final = torch.cat([hidden[-2], hidden[-1]], dim=1)
    visit_logits, patient_logits = visit_head(output).squeeze(-1), patient_head(final).squeeze(-1)

    mask = torch.arange(T)[None, :] < lengths[:, None]
    visit_loss = binary_cross_entropy_with_logits(visit_logits[mask], visit_labels[mask])
    patient_loss = binary_cross_entropy_with_logits(patient_logits, patient_labels)
    (visit_loss + patient_loss).backward()
    norm = clip_grad_norm_(parameters, 0.1)
    adamw.step()
    print(f"step {step}: visits {visit_loss:.4f}, patients {patient_loss:.4f}, gradient norm {norm:.4f}")
