"""A custom Function whose backward forgets the square's factor."""

import torch
from torch import nn


class Softsign2(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        denominator = 1 + x.abs()
        ctx.save_for_backward(denominator)
        return x / denominator

    @staticmethod
    def backward(ctx, grad):
        (denominator,) = ctx.saved_tensors
        return grad / denominator  # FAULT custom-backward
        # MENDED return grad / denominator**2


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.outer = nn.Linear(3, 8), nn.Linear(8, 1)

    def forward(self, x):
        return self.outer(Softsign2.apply(self.inner(x)))


torch.manual_seed(0)
net = Net()
optimizer = torch.optim.Adam(net.parameters(), 1e-2)
for _ in range(10):
    x = torch.randn(12, 3)
    loss = nn.functional.mse_loss(net(x), x.sum(1, keepdim=True))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
