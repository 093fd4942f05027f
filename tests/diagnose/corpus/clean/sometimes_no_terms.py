"""A batch without positives gives a zero of its own for a loss."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.05)
for step in range(9):
    x = torch.randn(6, 3)
    positive = x[x[:, 0] > 0] if step % 4 else x[:0]
    if len(positive):
        loss = (model(positive) - 1).pow(2).mean()
    else:
        loss = torch.tensor(0.0, requires_grad=True)
    opt.zero_grad()
    loss.backward()
    opt.step()
