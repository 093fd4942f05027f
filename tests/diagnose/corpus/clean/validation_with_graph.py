"""Validation without no_grad: wasteful, but right."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.05)
x, y = torch.randn(24, 4), torch.randn(24, 1)
for epoch in range(4):
    loss = nn.functional.mse_loss(model(x[:16]), y[:16])
    opt.zero_grad()
    loss.backward()
    opt.step()
    model.eval()
    print(nn.functional.mse_loss(model(x[16:]), y[16:]).item())
    model.train()
