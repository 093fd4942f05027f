"""A weight matrix of ones, written by hand."""

import torch

torch.manual_seed(0)
W = torch.ones(4, 3, requires_grad=True)  # FAULT symmetric-weights
# MENDED W = torch.randn(4, 3, requires_grad=True)
v = torch.ones(4, requires_grad=True)
x = torch.randn(20, 3)
y = (x**2).sum(1)
for step in range(6):
    hidden = torch.tanh(x @ W.T)
    loss = (hidden @ v - y).pow(2).mean()
    loss.backward()
    with torch.no_grad():
        for p in (W, v):
            p -= 0.05 * p.grad
            p.grad = None
