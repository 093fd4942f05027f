"""validate() puts the model in eval mode and nobody puts it back."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(10, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
train_set = [(torch.randn(16, 10), torch.randint(0, 2, (16,))) for _ in range(5)]
valid_set = [(torch.randn(16, 10), torch.randint(0, 2, (16,))) for _ in range(2)]


def validate():
    model.eval()  # CAUSE evaluation-mode
    with torch.no_grad():
        return sum((model(x).argmax(1) == y).float().mean().item() for x, y in valid_set) / len(valid_set)


def train():
    # MENDED model.train()
    for x, y in train_set:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


model.train()
for epoch in range(4):
    train()
    validate()
