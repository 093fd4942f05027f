"""One step is enough to overflow."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
opt = torch.optim.SGD(model.parameters(), lr=1e8)  # FAULT divergence
# MENDED opt = torch.optim.SGD(model.parameters(), lr=1e-2)
x = torch.randn(30, 4)
y = x.sum(1, keepdim=True)
for step in range(5):
    loss = nn.functional.mse_loss(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
