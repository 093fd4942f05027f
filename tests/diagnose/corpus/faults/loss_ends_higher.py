"""Adam with a learning rate of 10: the loss jumps and stays up."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 3))
opt = torch.optim.Adam(model.parameters(), lr=10.0)  # FAULT divergence
# MENDED opt = torch.optim.Adam(model.parameters(), lr=0.01)
x, y = torch.randn(60, 5), torch.randint(0, 3, (60,))
for step in range(20):
    loss = nn.functional.cross_entropy(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
