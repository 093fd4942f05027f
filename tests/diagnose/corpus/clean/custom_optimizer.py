"""An optimizer of one's own, and one that is not even a torch Optimizer."""

import torch
from torch import nn

torch.manual_seed(0)


class SignSGD(torch.optim.Optimizer):
    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.add_(p.grad.sign(), alpha=-group["lr"])


class Plain:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr
        self.velocity = [torch.zeros_like(p) for p in self.params]

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    def step(self):
        for p, v in zip(self.params, self.velocity):
            v.mul_(0.9).add_(p.grad)
            p.data = p.data - self.lr * v


first, second = nn.Linear(3, 5), nn.Linear(5, 1)
a, b = SignSGD(first.parameters(), 1e-2), Plain(second.parameters(), 1e-2)
x, y = torch.randn(16, 3), torch.randn(16, 1)
for step in range(6):
    a.zero_grad()
    b.zero_grad()
    loss = nn.functional.mse_loss(second(torch.tanh(first(x))), y)
    loss.backward()
    a.step()
    b.step()
