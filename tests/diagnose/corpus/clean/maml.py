"""One inner step through which the outer gradient flows."""

import torch
from torch import nn

torch.manual_seed(0)
w = torch.randn(2, 1, requires_grad=True)
opt = torch.optim.SGD([w], lr=0.05)
for step in range(4):
    opt.zero_grad()
    for task in range(3):
        x = torch.randn(10, 2)
        y = x.sum(1, keepdim=True) * (task + 1)
        inner = nn.functional.mse_loss(x @ w, y)
        fast = w
        for _ in range(2):
            g = torch.autograd.grad(nn.functional.mse_loss(x @ fast, y), fast, create_graph=True)[0]
            fast = fast - 0.05 * g
        nn.functional.mse_loss(x @ fast, y).backward()
    opt.step()
