"""Dies in the backward of the user's own Function, two calls deep, with a cause."""

import torch


class Fragile(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return refuse(grad)


def refuse(grad):
    try:
        return {}[grad.item()]
    except KeyError as error:
        raise ValueError(f"no gradient today: {grad.item()}") from error


x = torch.ones((), requires_grad=True)
print("before")
Fragile.apply(x * 3).backward()
print("never printed")
