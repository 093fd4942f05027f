"""A model of a thousand layers."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(1000)))
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
for _ in range(2):
    optimizer.zero_grad()
    loss = model(torch.ones(2, 4)).square().mean()
    loss.backward()
    optimizer.step()
print(loss.item())
