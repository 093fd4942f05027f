"""Dropout stays on for a distribution of predictions."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 1))
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
x, y = torch.randn(20, 3), torch.randn(20, 1)
for step in range(5):
    opt.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    opt.step()
with torch.no_grad():
    samples = torch.stack([model(x) for _ in range(10)])
print(samples.mean().item(), samples.std().item())
