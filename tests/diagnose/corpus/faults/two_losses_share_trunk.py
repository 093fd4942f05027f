"""Two losses share a trunk whose graph the first pass frees."""

import torch
from torch import nn

torch.manual_seed(0)
trunk = nn.Sequential(nn.Linear(4, 6), nn.Tanh())
head_a, head_b = nn.Linear(6, 1), nn.Linear(6, 1)
params = [*trunk.parameters(), *head_a.parameters(), *head_b.parameters()]
opt = torch.optim.SGD(params, lr=0.1)
x, ya, yb = torch.randn(9, 4), torch.randn(9, 1), torch.randn(9, 1)
for i in range(3):
    features = trunk(x)
    loss_a = nn.functional.mse_loss(head_a(features), ya)
    loss_b = nn.functional.mse_loss(head_b(features), yb)
    opt.zero_grad()
    loss_a.backward()  # FAULT
    loss_b.backward()  # FAULT backward-twice
    # MENDED (loss_a + loss_b).backward()
    opt.step()
