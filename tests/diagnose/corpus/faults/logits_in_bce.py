"""Raw outputs in a loss that takes probabilities."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.05)
x, y = torch.randn(16, 3), torch.randint(0, 2, (16, 1)).float()
for step in range(4):
    out = model(x)
    # MENDED out = torch.sigmoid(out)
    loss = nn.functional.binary_cross_entropy(out, y)  # CAUSE uncaught-exception
    opt.zero_grad()
    loss.backward()
    opt.step()
