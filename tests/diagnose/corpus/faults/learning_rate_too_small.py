"""A learning rate of 1e-9."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
opt = torch.optim.SGD(model.parameters(), lr=1e-9)  # FAULT learning-rate
# MENDED opt = torch.optim.SGD(model.parameters(), lr=1e-1)
x = torch.randn(30, 4)
y = x.sum(1, keepdim=True)
for step in range(15):
    loss = nn.functional.mse_loss(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
