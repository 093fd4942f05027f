"""The same without grad mode: the next pass has nothing to differentiate."""

import torch

torch.manual_seed(0)
theta = torch.zeros(2, requires_grad=True)
for i in range(4):
    loss = (theta - torch.tensor([1.0, 2.0])).square().sum()
    loss.backward()
    with torch.no_grad():
        theta = theta - 0.1 * theta.grad  # FAULT leaf-replaced
        # MENDED theta -= 0.1 * theta.grad
    # MENDED theta.grad = None
