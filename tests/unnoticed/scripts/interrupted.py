"""Ctrl-C in the middle of a loop: raised where a signal handler would raise it."""

import torch

w = torch.ones(2, requires_grad=True)
for step in range(10):
    (w * w).sum().backward()
    print(step, w.grad.sum().item())
    if step == 3:
        raise KeyboardInterrupt
