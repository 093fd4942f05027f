"""A large negative bias: no unit is ever on."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 1))
nn.init.constant_(model[0].bias, -20.0)  # FAULT dead-gradient
opt = torch.optim.SGD(model.parameters(), lr=0.05)
x, y = torch.randn(20, 3), torch.randn(20, 1)
for step in range(6):
    loss = nn.functional.mse_loss(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
