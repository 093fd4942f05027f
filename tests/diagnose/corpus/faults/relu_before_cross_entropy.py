"""The logits go through a relu."""

import torch
from torch import nn

torch.manual_seed(0)
hidden, last = nn.Linear(5, 16), nn.Linear(16, 4)
opt = torch.optim.SGD([*hidden.parameters(), *last.parameters()], lr=0.1)
x, y = torch.randn(30, 5), torch.randint(0, 4, (30,))
for step in range(4):
    logits = torch.relu(last(torch.relu(hidden(x))))  # FAULT activation-before-loss
    # MENDED logits = last(torch.relu(hidden(x)))
    loss = nn.functional.cross_entropy(logits, y)
    opt.zero_grad()
    loss.backward()
    opt.step()
