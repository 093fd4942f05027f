"""Labels from 1 to 3 for three classes."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 3)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(10, 3), torch.randint(1, 4, (10,))  # FAULT
# MENDED x, y = torch.randn(10, 3), torch.randint(0, 3, (10,))
for step in range(3):
    loss = nn.functional.cross_entropy(model(x), y)  # CAUSE uncaught-exception
    opt.zero_grad()
    loss.backward()
    opt.step()
