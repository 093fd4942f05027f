"""Clipping comes before the backward pass."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 5)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(4, 3), torch.randn(4, 5)
for step in range(4):
    opt.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    nn.utils.clip_grad_norm_(model.parameters(), 0.1)  # FAULT clip-misplaced
    loss.backward()
    # MENDED nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    opt.step()
