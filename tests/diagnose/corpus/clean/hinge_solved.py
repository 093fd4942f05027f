"""A margin loss that reaches zero and stays there."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(2, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.5)
x = torch.cat([torch.randn(10, 2) * 0.1 + 2, torch.randn(10, 2) * 0.1 - 2])
y = torch.cat([torch.ones(10, 1), -torch.ones(10, 1)])
for step in range(20):
    loss = torch.relu(1 - y * model(x)).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
