"""A schedule meant for epochs steps with every batch."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
schedule = torch.optim.lr_scheduler.StepLR(opt, step_size=1, gamma=0.1)
x = torch.randn(40, 4)
y = x.sum(1, keepdim=True)
for epoch in range(3):
    for start in range(0, 40, 4):
        loss = nn.functional.mse_loss(model(x[start : start + 4]), y[start : start + 4])
        opt.zero_grad()
        loss.backward()
        opt.step()  # CAUSE learning-rate
        schedule.step()  # FAULT
    # MENDED schedule.step()
