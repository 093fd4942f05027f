"""Contrastive: similarities of all pairs, the diagonal masked."""

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
encoder = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 8))
opt = torch.optim.Adam(encoder.parameters(), lr=1e-3)
base = torch.randn(6, 6)
for step in range(4):
    a, b = base + 0.1 * torch.randn(6, 6), base + 0.1 * torch.randn(6, 6)
    z = F.normalize(encoder(torch.cat([a, b])), dim=1)
    similar = z @ z.T / 0.5
    similar = similar.masked_fill(torch.eye(12, dtype=torch.bool), float("-inf"))
    goal = torch.arange(12).roll(6)
    loss = F.cross_entropy(similar, goal)
    opt.zero_grad()
    loss.backward()
    opt.step()
