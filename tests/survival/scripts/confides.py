"""Holds things that are nobody's business: numbers, and phrases here and there."""

import torch

data = torch.tensor([[41.125, 17.0625], [3.0, 4.0]])
w = torch.full((2, 2), 0.5, requires_grad=True)
loss = ((data @ w) * 123456.789 + 1).square().mean()
loss.backward()
with torch.no_grad():
    w -= 1e-12 * w.grad
print("a phrase that", "is printed")  # a phrase in the source
