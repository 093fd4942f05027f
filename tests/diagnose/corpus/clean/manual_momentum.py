"""The old gradient decays instead of being cleared: momentum, by hand."""

import torch

torch.manual_seed(0)
w = torch.randn(3, requires_grad=True)
x, y = torch.randn(20, 3), torch.randn(20)
for step in range(8):
    loss = (x @ w - y).pow(2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.02 * w.grad
        w.grad.mul_(0.5)
