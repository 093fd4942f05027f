"""Each step goes further beyond the minimum."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
opt = torch.optim.SGD(model.parameters(), lr=3.0)  # FAULT divergence
# MENDED opt = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(30, 4)
y = x @ torch.tensor([[1.0], [2.0], [3.0], [4.0]])
for i in range(15):
    loss = nn.functional.mse_loss(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
