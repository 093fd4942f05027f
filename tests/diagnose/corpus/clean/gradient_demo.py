"""A lesson: gradients looked at, cleared, never used."""

import torch

w = torch.tensor([1.0, 2.0], requires_grad=True)
for power in range(1, 4):
    (w**power).sum().backward()
    print(power, w.grad)
    w.grad.zero_()
