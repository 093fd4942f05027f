"""backward() from a loss for each example."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(10, 3), torch.randn(10, 1)
for step in range(3):
    loss = nn.functional.mse_loss(model(x), y, reduction="none")  # FAULT
    # MENDED loss = nn.functional.mse_loss(model(x), y)
    opt.zero_grad()
    loss.backward()  # CAUSE uncaught-exception
    opt.step()
