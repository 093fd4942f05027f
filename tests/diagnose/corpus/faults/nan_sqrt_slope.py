"""The slope of sqrt at 0 is infinite: finite loss, NaN gradient."""

import torch

torch.manual_seed(0)
points = torch.randn(5, 2)
points[0] = 0
centre = torch.zeros(2, requires_grad=True)
opt = torch.optim.SGD([centre], lr=0.1)
for i in range(3):
    squared = ((points - centre) ** 2).sum(1)
    distance = torch.sqrt(squared)  # FAULT non-finite
    # MENDED distance = torch.sqrt(squared + 1e-9)
    loss = distance.mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
