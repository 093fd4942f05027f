"""Meant to accumulate over four micro-batches, but each one clears what the others gave."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(5, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.05)
batches = [(torch.randn(4, 5), torch.randn(4, 1)) for _ in range(16)]
for i, (x, y) in enumerate(batches):
    opt.zero_grad()  # FAULT zeroed-before-step
    loss = nn.functional.mse_loss(model(x), y) / 4
    loss.backward()
    if (i + 1) % 4 == 0:
        opt.step()
        # MENDED opt.zero_grad()
