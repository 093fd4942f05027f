"""The step is a little too large: the loss swings and does not fall."""

import torch

torch.manual_seed(0)
w = torch.tensor([5.0], requires_grad=True)
for step in range(20):
    loss = (w**2).sum()
    loss.backward()
    with torch.no_grad():
        w -= 1.0 * w.grad  # FAULT divergence
        # MENDED w -= 0.1 * w.grad
    w.grad = None
