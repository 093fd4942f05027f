"""A saved tensor is overwritten through .data: no error, but a wrong gradient."""

import torch

torch.manual_seed(0)
w = torch.randn(4, requires_grad=True)
for step in range(4):
    h = torch.exp(w)
    loss = (h * torch.arange(4.0)).sum()
    h.data.mul_(0.5)  # FAULT silent-overwrite
    loss.backward()
    with torch.no_grad():
        w -= 0.01 * w.grad
    w.grad = None
