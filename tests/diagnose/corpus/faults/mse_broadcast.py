"""Predictions [N, 1] and targets [N] in mse_loss."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(10, 3)
y = x.sum(1)
for i in range(4):
    pred = model(x)
    loss = nn.functional.mse_loss(pred, y)  # FAULT loss-broadcast
    # MENDED loss = nn.functional.mse_loss(pred.squeeze(1), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
