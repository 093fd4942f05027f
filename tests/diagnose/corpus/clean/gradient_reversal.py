"""Domain-adversarial: the gradient is turned round on purpose; a soft clamp of one's own is correct."""

import torch
from torch import nn

torch.manual_seed(0)


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return -0.3 * grad


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return grad * (s + x * s * (1 - s))


features, label, domain = nn.Linear(5, 8), nn.Linear(8, 2), nn.Linear(8, 2)
opt = torch.optim.Adam([*features.parameters(), *label.parameters(), *domain.parameters()], lr=1e-2)
x, y, d = torch.randn(30, 5), torch.randint(0, 2, (30,)), torch.randint(0, 2, (30,))
for step in range(5):
    h = Swish.apply(features(x))
    loss = nn.functional.cross_entropy(label(h), y) + nn.functional.cross_entropy(domain(Reverse.apply(h)), d)
    opt.zero_grad()
    loss.backward()
    opt.step()
