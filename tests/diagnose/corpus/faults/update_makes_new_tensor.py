"""The update binds the name to a new tensor."""

import torch

torch.manual_seed(0)
w = torch.randn(3, requires_grad=True)
x, y = torch.randn(10, 3), torch.randn(10)
for i in range(4):
    loss = ((x @ w - y) ** 2).mean()
    loss.backward()
    w = w - 0.1 * w.grad  # FAULT leaf-replaced
    # MENDED with torch.no_grad():
    # MENDED     w -= 0.1 * w.grad
    # MENDED     w.grad.zero_()
