"""Differentially private SGD: per-sample passes, clipped and summed by hand, noise added."""
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(8):
    x = torch.randn(6, 4)
    y = x.sum(1, keepdim=True)
    total = [torch.zeros_like(p) for p in model.parameters()]
    for xi, yi in zip(x, y):
        model.zero_grad()
        nn.functional.mse_loss(model(xi), yi).backward()
        norm = torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
        scale = (1.0 / (norm + 1e-6)).clamp(max=1)
        for t, p in zip(total, model.parameters()):
            t += p.grad * scale
    for p, t in zip(model.parameters(), total):
        p.grad = (t + 0.1 * torch.randn_like(t)) / len(x)
    opt.step()
