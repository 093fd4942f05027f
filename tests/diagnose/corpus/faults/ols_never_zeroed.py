"""A line fitted by hand; the gradient is never cleared."""

import torch

x = torch.linspace(0, 1, 20)
y = 3 * x + 1
w = torch.zeros(1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for epoch in range(12):
    loss = ((w * x + b - y) ** 2).mean()
    loss.backward()  # CAUSE missing-zero-grad
    with torch.no_grad():
        w -= 0.01 * w.grad
        b -= 0.01 * b.grad
    # MENDED w.grad = b.grad = None
