"""Coordinate descent: two factors updated in turns, gradients of the other are cleared unused."""
import torch

torch.manual_seed(0)
m = torch.randn(10, 2) @ torch.randn(2, 8)
u = torch.randn(10, 2, requires_grad=True)
v = torch.randn(2, 8, requires_grad=True)
opts = [torch.optim.SGD([u], 0.02), torch.optim.SGD([v], 0.02)]
for i in range(20):
    loss = ((u @ v - m) ** 2).mean() + 0.01 * (u.norm() + v.norm())
    u.grad = v.grad = None
    loss.backward()
    opts[i % 2].step()
