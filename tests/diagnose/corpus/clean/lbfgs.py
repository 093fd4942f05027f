"""LBFGS calls the closure several times a step."""

import torch

torch.manual_seed(0)
w = torch.zeros(2, requires_grad=True)
opt = torch.optim.LBFGS([w], lr=0.5, max_iter=5)
x = torch.randn(20, 2)
y = x @ torch.tensor([1.0, -2.0])


def closure():
    opt.zero_grad()
    loss = (x @ w - y).pow(2).mean()
    loss.backward()
    return loss


for step in range(4):
    opt.step(closure)
