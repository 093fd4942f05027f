"""An error that is expected and caught."""

import torch

w = torch.ones(3, requires_grad=True)
opt = torch.optim.SGD([w], lr=0.1)
for step in range(3):
    loss = (w**2).sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
    try:
        loss.backward()
    except RuntimeError as error:
        print("as expected:", str(error)[:20])
