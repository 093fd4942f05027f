"""A classifier with an optimizer and no zero_grad."""

import torch
from torch import nn

torch.manual_seed(1)
model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
criterion = nn.CrossEntropyLoss()
x, y = torch.randn(40, 6), torch.randint(0, 3, (40,))


def train_step(inputs, targets):
    # MENDED optimizer.zero_grad()
    loss = criterion(model(inputs), targets)
    loss.backward()  # CAUSE missing-zero-grad
    optimizer.step()
    return loss.item()


for epoch in range(2):
    for start in range(0, 40, 10):
        train_step(x[start : start + 10], y[start : start + 10])
