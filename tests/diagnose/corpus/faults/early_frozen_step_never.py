"""The step is behind a condition that never holds: `i % 4 == 4`."""

import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Conv1d(2, 6, 3, padding=1), nn.ReLU(), nn.Conv1d(6, 1, 3, padding=1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
accumulate = 4
for i in range(16):
    x = torch.randn(4, 2, 10)
    y = x.sum(1, keepdim=True)
    loss = nn.functional.mse_loss(net(x), y) / accumulate
    loss.backward()  # CAUSE never-updated
    if i % accumulate == accumulate:  # FAULT
    # MENDED if i % accumulate == accumulate - 1:
        optimizer.step()
        optimizer.zero_grad()
