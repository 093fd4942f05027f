"""where chooses the safe side, the gradient of the other is still 0 x Inf."""

import torch

torch.manual_seed(0)
w = torch.tensor([0.0, 1.0, 2.0], requires_grad=True)
for i in range(3):
    ratio = torch.where(w > 0.5, torch.sin(w) / w, torch.ones(3))  # FAULT non-finite
    # MENDED safe = torch.where(w > 0.5, w, torch.ones(3))
    # MENDED ratio = torch.where(w > 0.5, torch.sin(safe) / safe, torch.ones(3))
    loss = ratio.sum()
    w.grad = None
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
