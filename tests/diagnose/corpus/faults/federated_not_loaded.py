"""Clients train copies; the server's update rebinds its parameters by `w = w + delta` in a list."""
import torch
import torch.nn.functional as F

torch.manual_seed(0)
weights = [torch.randn(5, 3, requires_grad=True), torch.zeros(3, requires_grad=True)]
for rnd in range(5):
    x, y = torch.randn(12, 5), torch.randint(0, 3, (12,))
    loss = F.cross_entropy(x @ weights[0] + weights[1], y)
    loss.backward()
    with torch.no_grad():
        for i, w in enumerate(weights):
            weights[i] = w - 0.1 * w.grad  # FAULT leaf-replaced
            # MENDED w -= 0.1 * w.grad
            # MENDED w.grad = None
