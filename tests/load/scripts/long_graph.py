"""A graph of a hundred thousand nodes in one backward pass."""

import torch

w = torch.tensor(1.0, requires_grad=True)
total = w
for _ in range(100_000):
    total = total + 1e-6
total.backward()
print(total.item(), w.grad.item())
