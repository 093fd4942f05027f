"""A recurrent weight that doubles at every step, over thirty steps."""

import torch

torch.manual_seed(0)
W = (2.0 * torch.eye(5)).requires_grad_()  # FAULT
# MENDED W = (0.9 * torch.eye(5)).requires_grad_()
U = (0.01 * torch.randn(3, 5)).requires_grad_()
xs, y = 0.001 * torch.randn(30, 4, 3), torch.randn(4, 5)
for step in range(4):
    h = torch.zeros(4, 5)
    for t in range(30):
        h = h @ W + xs[t] @ U  # CAUSE gradient-scale
    loss = (h - y).abs().mean()
    loss.backward()
    with torch.no_grad():
        for p in (W, U):
            p -= 1e-12 * p.grad
            p.grad = None
