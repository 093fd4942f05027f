"""Losses are kept in a list and read after the loop."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
history = []
for step in range(8):
    x = torch.randn(10, 4)
    loss = nn.functional.mse_loss(model(x), x.sum(1, keepdim=True))
    opt.zero_grad()
    loss.backward()
    opt.step()
    history.append(loss)  # FAULT
    # MENDED history.append(loss.detach())
mean = torch.stack(history).mean()  # CAUSE graph-kept-alive
