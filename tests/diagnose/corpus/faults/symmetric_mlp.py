"""All weights of a hidden layer start at the same number."""

import torch
from torch import nn


def build():
    net = nn.Sequential(nn.Linear(4, 10), nn.Tanh(), nn.Linear(10, 1))
    for layer in net:
        if isinstance(layer, nn.Linear):
            nn.init.constant_(layer.weight, 0.1)  # FAULT symmetric-weights
            # MENDED nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return net


torch.manual_seed(0)
net = build()
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for _ in range(15):
    x = torch.randn(32, 4)
    y = (x[:, :1] * x[:, 1:2]).tanh()
    loss = nn.functional.mse_loss(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
