"""The loss is rebuilt from a number and has no graph."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(10, 3), torch.randn(10, 1)
for i in range(3):
    error = ((model(x) - y) ** 2).mean()
    loss = torch.tensor(error.item())  # FAULT no-gradient
    # MENDED loss = error
    opt.zero_grad()
    loss.backward()
    opt.step()
