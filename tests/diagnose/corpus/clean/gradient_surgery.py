"""PCGrad: gradients of two tasks by autograd.grad, projected, written into .grad."""
import torch
from torch import nn

torch.manual_seed(0)
trunk, a, b = nn.Linear(5, 16), nn.Linear(16, 1), nn.Linear(16, 1)
opt = torch.optim.Adam([*trunk.parameters(), *a.parameters(), *b.parameters()], lr=1e-3)
shared = list(trunk.parameters())
for _ in range(10):
    x = torch.randn(16, 5)
    h = torch.relu(trunk(x))
    la = nn.functional.mse_loss(a(h), x[:, :1])
    lb = nn.functional.mse_loss(b(h), -x[:, :1])
    ga = torch.autograd.grad(la, shared, retain_graph=True)
    gb = torch.autograd.grad(lb, shared, retain_graph=True)
    dot = sum((u * v).sum() for u, v in zip(ga, gb))
    opt.zero_grad()
    (la + lb).backward()
    if dot < 0:
        nb = sum((v * v).sum() for v in gb)
        for p, u, v in zip(shared, ga, gb):
            p.grad = u - dot / nb * v + v
    opt.step()
