"""The sign of the update is wrong."""

import torch

torch.manual_seed(0)
w = torch.randn(3, requires_grad=True)
x = torch.randn(30, 3)
y = x @ torch.tensor([1.0, -1.0, 0.5])
for i in range(40):
    loss = (x @ w - y).pow(2).mean()
    loss.backward()
    with torch.no_grad():
        w += 0.1 * w.grad  # FAULT divergence
        # MENDED w -= 0.1 * w.grad
        w.grad.zero_()
