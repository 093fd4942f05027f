"""autograd.grad and an update under no_grad; nothing is accumulated."""

import torch

torch.manual_seed(0)
params = [torch.randn(3, 4, requires_grad=True), torch.randn(4, requires_grad=True)]
x, y = torch.randn(20, 3), torch.randn(20)
for step in range(5):
    pred = torch.tanh(x @ params[0]) @ params[1]
    loss = (pred - y).pow(2).mean()
    grads = torch.autograd.grad(loss, params)
    with torch.no_grad():
        for p, g in zip(params, grads):
            p -= 0.1 * g
