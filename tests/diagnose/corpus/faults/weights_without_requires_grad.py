"""The weights were made without requires_grad."""

import torch

torch.manual_seed(0)
w = torch.randn(3)  # FAULT no-gradient
# MENDED w = torch.randn(3, requires_grad=True)
x, y = torch.randn(10, 3), torch.randn(10)
for i in range(3):
    loss = ((x @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    w.grad = None
