"""A softmax over a single output is 1 whatever the model says."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(20, 3)
y = (x.sum(1, keepdim=True) > 0).float()
for step in range(5):
    p = torch.softmax(model(x), dim=1)  # FAULT dead-gradient
    # MENDED p = torch.sigmoid(model(x))
    loss = nn.functional.binary_cross_entropy(p, y)
    opt.zero_grad()
    loss.backward()
    opt.step()
