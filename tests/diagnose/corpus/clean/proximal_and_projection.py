"""ISTA by hand: a gradient step, then soft thresholding in place; many weights are zero on purpose."""
import torch

torch.manual_seed(0)
x = torch.randn(40, 12)
true = torch.zeros(12)
true[:3] = torch.tensor([2.0, -1.0, 3.0])
y = x @ true
w = torch.zeros(12, requires_grad=True)
for _ in range(30):
    loss = 0.5 * ((x @ w - y) ** 2).mean()
    (g,) = torch.autograd.grad(loss, w)
    with torch.no_grad():
        w -= 0.3 * g
        w.copy_(w.sign() * (w.abs() - 0.02).clamp_min(0))
