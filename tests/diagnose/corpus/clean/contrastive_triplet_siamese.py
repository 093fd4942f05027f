"""Siamese net with a margin: many zero losses late, several inputs a pass."""
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 4))
opt = torch.optim.Adam(net.parameters(), 5e-3)
centres = torch.randn(3, 6) * 3
for _ in range(20):
    a = torch.randint(0, 3, (12,))
    b = (a + torch.randint(1, 3, (12,))) % 3
    noise = lambda: 0.1 * torch.randn(12, 6)
    loss = nn.functional.triplet_margin_loss(net(centres[a] + noise()), net(centres[a] + noise()), net(centres[b] + noise()))
    opt.zero_grad()
    loss.backward()
    opt.step()
