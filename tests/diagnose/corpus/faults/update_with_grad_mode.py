"""The update by hand runs with grad mode on."""

import torch

w = torch.ones(3, requires_grad=True)
for i in range(3):
    loss = (w * torch.arange(3.0)).pow(2).sum()
    loss.backward()
    w -= 0.01 * w.grad  # FAULT inplace-modification
    # MENDED with torch.no_grad():
    # MENDED     w -= 0.01 * w.grad
    w.grad.zero_()
