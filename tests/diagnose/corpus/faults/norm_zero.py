import torch
w = torch.zeros(3, requires_grad=True)
for i in range(3):
    n = (w * w).sum() ** 0.5  # FAULT non-finite
    # MENDED n = ((w * w).sum() + 1e-6) ** 0.5
    loss = n + (w - 1).abs().sum()
    loss.backward()
    with torch.no_grad():
        w -= .1 * w.grad
    w.grad = None
