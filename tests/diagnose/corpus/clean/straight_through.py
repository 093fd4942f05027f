"""Binary activations with a straight-through estimator, both as a Function and by detach."""

import torch
from torch import nn

torch.manual_seed(0)


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.sign()

    @staticmethod
    def backward(ctx, grad):
        return grad


a, b, c = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 1)
params = [*a.parameters(), *b.parameters(), *c.parameters()]
opt = torch.optim.Adam(params, lr=1e-2)
x = torch.randn(16, 4)
y = x.prod(1, keepdim=True)
for step in range(5):
    h = Sign.apply(a(x))
    g = b(h)
    g = g + (g.round() - g).detach()
    loss = (c(g) - y).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
