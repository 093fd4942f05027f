"""The scheduler steps at the top of the epoch."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
schedule = torch.optim.lr_scheduler.ExponentialLR(opt, 0.9)
x, y = torch.randn(20, 4), torch.randn(20, 1)
for epoch in range(4):
    schedule.step()  # FAULT scheduler-before-optimizer
    loss = nn.functional.mse_loss(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    # MENDED schedule.step()
