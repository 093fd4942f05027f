"""The state is detached every five steps; losses are summed in between."""

import torch
from torch import nn

torch.manual_seed(0)
cell, head = nn.LSTMCell(2, 6), nn.Linear(6, 2)
opt = torch.optim.SGD([*cell.parameters(), *head.parameters()], lr=0.05)
series = torch.randn(31, 3, 2)
h, c = torch.zeros(3, 6), torch.zeros(3, 6)
loss = 0.0
for t in range(30):
    h, c = cell(series[t], (h, c))
    loss = loss + (head(h) - series[t + 1]).pow(2).mean()
    if (t + 1) % 5 == 0:
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(cell.parameters(), 1.0)
        opt.step()
        h, c = h.detach(), c.detach()
        loss = 0.0
