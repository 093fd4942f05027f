"""The gradients are cleared between the backward pass and the step, in place."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(16, 3)
y = x.sum(1, keepdim=True)
for epoch in range(5):
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    opt.zero_grad(set_to_none=False)  # FAULT zeroed-before-step
    opt.step()
    # MENDED opt.zero_grad(set_to_none=False)
