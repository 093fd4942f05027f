"""Two layers whose sizes do not fit."""

import torch
from torch import nn

torch.manual_seed(0)
first, second = nn.Linear(4, 8), nn.Linear(6, 1)  # FAULT
# MENDED first, second = nn.Linear(4, 8), nn.Linear(8, 1)
x = torch.randn(5, 4)
h = torch.relu(first(x))
loss = second(h).mean()  # CAUSE uncaught-exception
loss.backward()
