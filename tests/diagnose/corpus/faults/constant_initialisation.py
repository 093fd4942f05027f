"""All weights of the hidden layer start with the same number."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1))
nn.init.constant_(model[0].weight, 0.1)  # FAULT symmetric-weights
nn.init.constant_(model[0].bias, 0.0)
nn.init.constant_(model[2].weight, 0.1)  # FAULT
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(20, 3)
y = x.sin().sum(1, keepdim=True)
for step in range(8):
    loss = nn.functional.mse_loss(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
