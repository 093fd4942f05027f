"""Two losses, each with a pass of its own, one update."""

import torch
from torch import nn

torch.manual_seed(0)
trunk, a, b = nn.Linear(4, 6), nn.Linear(6, 1), nn.Linear(6, 3)
opt = torch.optim.SGD([*trunk.parameters(), *a.parameters(), *b.parameters()], lr=0.1)
x, ya, yb = torch.randn(12, 4), torch.randn(12, 1), torch.randint(0, 3, (12,))
for step in range(5):
    features = torch.tanh(trunk(x))
    opt.zero_grad()
    nn.functional.mse_loss(a(features), ya).backward(retain_graph=True)
    nn.functional.cross_entropy(b(features), yb).backward()
    opt.step()
