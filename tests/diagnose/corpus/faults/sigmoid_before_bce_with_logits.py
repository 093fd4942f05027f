"""A sigmoid before a loss that has its own."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(5, 1), nn.Sigmoid())  # FAULT
# MENDED model = nn.Sequential(nn.Linear(5, 1))
criterion = nn.BCEWithLogitsLoss()
opt = torch.optim.SGD(model.parameters(), lr=0.2)
x, y = torch.randn(20, 5), torch.randint(0, 2, (20,)).float()
for i in range(4):
    opt.zero_grad()
    out = model(x).squeeze(1)  # CAUSE activation-before-loss
    loss = criterion(out, y)
    loss.backward()
    opt.step()
