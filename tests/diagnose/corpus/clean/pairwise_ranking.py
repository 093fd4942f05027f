"""All pairs on purpose: a ranking loss and a contrastive one."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(5, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.05)
x, y = torch.randn(9, 5), torch.randn(9)
for step in range(5):
    score = model(x).squeeze(1)
    difference = score.unsqueeze(1) - score.unsqueeze(0)
    better = (y.unsqueeze(1) > y.unsqueeze(0)).float()
    loss = (better * torch.relu(1 - difference)).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
