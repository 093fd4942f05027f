"""A fixed network, not frozen, judges output and target."""

import torch
from torch import nn

torch.manual_seed(0)
judge = nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 4))
model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 6))
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
x, y = torch.randn(12, 3), torch.randn(12, 6)
for step in range(5):
    out = model(x)
    loss = nn.functional.mse_loss(judge(out), judge(y)) + nn.functional.l1_loss(out, y)
    opt.zero_grad()
    loss.backward()
    opt.step()
