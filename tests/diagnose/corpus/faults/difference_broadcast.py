"""The same in a loss written by hand."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1))
opt = torch.optim.Adam(model.parameters(), lr=0.01)
x = torch.randn(14, 2)
y = x[:, 0] * x[:, 1]
for i in range(4):
    pred = model(x)
    error = y - pred  # FAULT loss-broadcast
    # MENDED error = y - pred[:, 0]
    loss = error.abs().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
