"""A small problem that is solved to the last bit; the loss ends at zero."""

import torch

w = torch.tensor(0.0, requires_grad=True)
opt = torch.optim.SGD([w], lr=0.5)
for step in range(30):
    loss = (w - 3).pow(2)
    opt.zero_grad()
    loss.backward()
    opt.step()
