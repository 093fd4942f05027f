"""The epoch's loss is summed as a tensor."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
total = 0
for step in range(8):
    x = torch.randn(10, 4)
    loss = nn.functional.mse_loss(model(x), x.sum(1, keepdim=True))
    opt.zero_grad()
    loss.backward()
    opt.step()
    total += loss  # FAULT graph-kept-alive
    # MENDED total += loss.item()
print(float(total) / 8)
