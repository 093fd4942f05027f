"""A residual block that adds in place onto what the sigmoid saved."""

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.a, self.b = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, x):
        gate = torch.sigmoid(self.a(x))
        y = gate * self.b(x)
        gate += x  # FAULT inplace-modification
        # MENDED gate = gate + x
        return y + gate


torch.manual_seed(0)
net = nn.Sequential(Block(6), Block(6), nn.Linear(6, 1))
optimizer = torch.optim.Adam(net.parameters())
for _ in range(3):
    loss = net(torch.randn(5, 6)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
