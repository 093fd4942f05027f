"""Normalised by the standard deviation of a single element."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(1, 3), torch.randn(1, 1)
for step in range(3):
    out = model(x)
    out = (out - out.mean()) / out.std()  # FAULT non-finite
    # MENDED out = out - out.mean()
    loss = nn.functional.mse_loss(out, y)
    opt.zero_grad()
    loss.backward()
    opt.step()
