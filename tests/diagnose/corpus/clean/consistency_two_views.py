"""Two augmented views, an MSE between their projections that flows into both, with variance terms (VICReg-like)."""
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(8, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, 6))
opt = torch.optim.AdamW(net.parameters(), 1e-3)
for _ in range(12):
    x = torch.randn(16, 8)
    a, b = net(x + 0.1 * torch.randn_like(x)), net(x + 0.1 * torch.randn_like(x))
    spread = sum(torch.relu(1 - (z.var(0) + 1e-4).sqrt()).mean() for z in (a, b))
    loss = nn.functional.mse_loss(a, b) + spread
    opt.zero_grad()
    loss.backward()
    opt.step()
