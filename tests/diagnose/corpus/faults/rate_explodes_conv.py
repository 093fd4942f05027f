"""A convnet with SGD at a rate of 5."""

import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(
    nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 3 * 3, 16), nn.ReLU(), nn.Linear(16, 1)
)
lr = 5.0  # FAULT
# MENDED lr = 0.01
optimizer = torch.optim.SGD(net.parameters(), lr=lr)  # CAUSE divergence
for _ in range(12):
    x = torch.rand(8, 1, 8, 8)
    y = x.mean((1, 2, 3)).unsqueeze(1)
    loss = nn.functional.mse_loss(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
