"""A new Adam at every step."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
x, y = torch.randn(20, 4), torch.randn(20, 1)
# MENDED opt = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(6):
    opt = torch.optim.Adam(model.parameters(), lr=1e-2)  # FAULT optimizer-recreated
    loss = nn.functional.mse_loss(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
