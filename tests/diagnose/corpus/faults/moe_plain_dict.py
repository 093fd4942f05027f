"""Experts in a plain dict: the optimizer never sees them."""

import torch
from torch import nn


class Mixture(nn.Module):
    def __init__(self, n=3):
        super().__init__()
        self.gate = nn.Linear(5, n)
        self.experts = {str(i): nn.Linear(5, 2) for i in range(n)}  # FAULT not-updated
        # MENDED self.experts = nn.ModuleDict({str(i): nn.Linear(5, 2) for i in range(n)})

    def forward(self, x):
        weights = self.gate(x).softmax(-1)
        return sum(weights[:, i, None] * expert(x) for i, expert in enumerate(self.experts.values()))


torch.manual_seed(0)
model = Mixture()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
target = nn.Linear(5, 2)
for _ in range(12):
    x = torch.randn(16, 5)
    with torch.no_grad():
        y = target(x)
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
