"""A missing value in the features."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.tensor([[0.5, 1.0, 2.0], [float("nan"), 0.1, 0.3], [1.0, 0.0, 0.2]])  # FAULT non-finite
# MENDED x = torch.tensor([[0.5, 1.0, 2.0], [0.0, 0.1, 0.3], [1.0, 0.0, 0.2]])
y = torch.tensor([[1.0], [2.0], [0.5]])
for step in range(4):
    loss = nn.functional.mse_loss(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
