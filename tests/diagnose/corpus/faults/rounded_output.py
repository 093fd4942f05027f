"""round has no slope."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(20, 3)
y = (x.sum(1, keepdim=True) > 0).float()
for step in range(5):
    guess = torch.round(torch.sigmoid(model(x)))  # FAULT dead-gradient
    # MENDED guess = torch.sigmoid(model(x))
    loss = nn.functional.mse_loss(guess, y)
    opt.zero_grad()
    loss.backward()
    opt.step()
