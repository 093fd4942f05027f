"""An overflow in one step: the scaler notices it and leaves that step out."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.01)
x, y = torch.randn(16, 4), torch.randn(16, 1)
scale = 2.0**127
for step in range(6):
    opt.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    (loss * scale).backward()
    grads = [p.grad for p in model.parameters()]
    if all(torch.isfinite(g).all() for g in grads):
        for g in grads:
            g.div_(scale)
        opt.step()
    else:
        scale /= 2.0**20
