"""The backward of a custom square forgets the factor 2."""

import torch
from torch import nn

torch.manual_seed(0)


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * x  # FAULT custom-backward
        # MENDED return 2 * grad * x


model = nn.Linear(3, 8)
opt = torch.optim.SGD(model.parameters(), lr=0.01)
x, y = torch.randn(40, 3), torch.rand(40, 8)
for step in range(6):
    out = Square.apply(model(x))
    loss = nn.functional.mse_loss(out, y)
    opt.zero_grad()
    loss.backward()
    opt.step()
