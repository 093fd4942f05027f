"""Fine-tuning with batch norm kept in eval mode: its statistics are those of the first training."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
with torch.no_grad():
    for _ in range(5):
        model(torch.randn(16, 4) * 2 + 1)
model[1].eval()
opt = torch.optim.SGD(model.parameters(), lr=0.05)
x, y = torch.randn(24, 4) * 2 + 1, torch.randn(24, 1)
for step in range(5):
    loss = nn.functional.mse_loss(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
