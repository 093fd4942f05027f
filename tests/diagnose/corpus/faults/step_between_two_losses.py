"""Parameters are updated between the forward and the backward pass of the second loss."""

import torch
from torch import nn

torch.manual_seed(0)
actor = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))
opt = torch.optim.SGD(actor.parameters(), lr=0.1)
x = torch.randn(6, 3)
for i in range(2):
    out = actor(x)
    first, second = out.mean(), out.pow(2).mean()
    opt.zero_grad()
    first.backward(retain_graph=True)
    opt.step()  # FAULT inplace-modification
    second.backward()
    opt.step()
