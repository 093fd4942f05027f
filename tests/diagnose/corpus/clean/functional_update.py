"""Each step makes new leaves."""

import torch

torch.manual_seed(0)
w = torch.randn(3, requires_grad=True)
x, y = torch.randn(20, 3), torch.randn(20)
for step in range(5):
    loss = (x @ w - y).pow(2).mean()
    loss.backward()
    w = (w - 0.1 * w.grad).detach().requires_grad_()
