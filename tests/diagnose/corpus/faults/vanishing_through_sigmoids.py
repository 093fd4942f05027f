"""Twelve sigmoid layers: nothing arrives at the first."""

import torch
from torch import nn

torch.manual_seed(0)


class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(12)])
        self.out = nn.Linear(8, 1)

    def forward(self, x):
        for layer in self.layers:
            x = torch.sigmoid(layer(x))  # FAULT gradient-scale
            # MENDED x = x + torch.relu(layer(x))
        return self.out(x)


model = Deep()
opt = torch.optim.SGD(model.parameters(), lr=1e-4)
x, y = torch.randn(16, 8), torch.randn(16, 1)
for step in range(5):
    loss = nn.functional.mse_loss(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
