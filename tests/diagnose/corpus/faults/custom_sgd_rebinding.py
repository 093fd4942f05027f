"""A functional network whose parameters live in a dict; the update makes new tensors with a graph."""

import torch


def init(sizes):
    shapes = list(zip(sizes[:-1], sizes[1:]))
    return {f"w{i}": (torch.randn(a, b) / a**0.5).requires_grad_() for i, (a, b) in enumerate(shapes)}


def forward(params, x):
    for i in range(len(params)):
        x = x @ params[f"w{i}"]
        if i + 1 < len(params):
            x = torch.tanh(x)
    return x


torch.manual_seed(0)
params = init([3, 8, 1])
x, y = torch.randn(20, 3), torch.randn(20, 1)
for step in range(6):
    loss = (forward(params, x) - y).square().mean()
    loss.backward()
    for name in params:
        if params[name].grad is None:
            continue
        params[name] = params[name] - 0.1 * params[name].grad  # FAULT leaf-replaced
        # MENDED params[name] = (params[name] - 0.1 * params[name].grad).detach().requires_grad_()
