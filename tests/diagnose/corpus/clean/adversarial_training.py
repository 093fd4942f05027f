"""FGSM: the first pass is for the input's gradient, what it leaves in the model is cleared."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 10), nn.ReLU(), nn.Linear(10, 2))
opt = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(5):
    x, y = torch.randn(12, 4), torch.randint(0, 2, (12,))
    x.requires_grad_()
    nn.functional.cross_entropy(model(x), y).backward()
    attacked = (x + 0.1 * x.grad.sign()).detach()
    opt.zero_grad()
    loss = nn.functional.cross_entropy(model(attacked), y)
    loss.backward()
    opt.step()
