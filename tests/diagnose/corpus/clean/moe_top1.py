"""A mixture of experts: some get nothing for a while."""

import torch
from torch import nn

torch.manual_seed(0)
experts = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
gate, out = nn.Linear(4, 3), nn.Linear(4, 1)
opt = torch.optim.Adam([*experts.parameters(), *gate.parameters(), *out.parameters()], lr=1e-2)
x, y = torch.randn(12, 4), torch.randn(12, 1)
for step in range(6):
    weights = torch.softmax(gate(x), dim=1)
    top, index = weights.max(1)
    parts = []
    for i, expert in enumerate(experts):
        chosen = (index == i).float().unsqueeze(1)
        parts.append(chosen * top.unsqueeze(1) * expert(x))
    loss = nn.functional.mse_loss(out(sum(parts)), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
