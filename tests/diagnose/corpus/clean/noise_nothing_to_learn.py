"""Noise contrast on random labels: nothing can be learnt, and nothing is wrong."""
import torch
from torch import nn

torch.manual_seed(5)
net = nn.Sequential(nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 1))
opt = torch.optim.Adam(net.parameters(), lr=3e-4)
for epoch in range(6):
    for _ in range(4):
        loss = nn.functional.mse_loss(net(torch.randn(4, 10)), torch.randn(4, 1) * 3)
        opt.zero_grad()
        loss.backward()
        opt.step()
