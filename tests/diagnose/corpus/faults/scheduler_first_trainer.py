"""The scheduler is stepped before the optimizer's first step."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)


def epoch():
    x = torch.randn(10, 3)
    loss = nn.functional.mse_loss(model(x), x.sum(1, keepdim=True))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


for _ in range(6):
    scheduler.step()  # FAULT scheduler-before-optimizer
    epoch()
    # MENDED scheduler.step()
