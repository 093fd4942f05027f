"""Trains with large values, more of them than the disk will take."""

import torch

w = torch.linspace(-1.0, 1.0, 40_000).reshape(200, 200).requires_grad_()
for _ in range(60):
    loss = ((w @ w) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    w.grad = None
print("done")
