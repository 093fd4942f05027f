"""The attack and the training share the line with the backward pass."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
opt = torch.optim.SGD(model.parameters(), lr=0.1)


def backward(x, y):
    opt.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()


for step in range(5):
    x, y = torch.randn(10, 4), torch.randint(0, 2, (10,))
    attacked = x.clone()
    for _ in range(3):
        attacked = attacked.detach().requires_grad_()
        backward(attacked, y)
        attacked = attacked + 0.02 * attacked.grad.sign()
    backward(attacked.detach(), y)
    opt.step()
