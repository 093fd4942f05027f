"""Layers are thawed one by one; a new parameter group each, at its own rate."""
import torch
from torch import nn

torch.manual_seed(0)
layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(3)])
head = nn.Linear(8, 2)
layers.requires_grad_(False)
opt = torch.optim.SGD(head.parameters(), lr=0.1)
for stage in range(3):
    for _ in range(4):
        x, y = torch.randn(12, 8), torch.randint(0, 2, (12,))
        h = x
        for layer in layers:
            h = torch.relu(layer(h)) + h
        loss = nn.functional.cross_entropy(head(h), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    thawed = layers[2 - stage].requires_grad_(True)
    opt.add_param_group({"params": thawed.parameters(), "lr": 0.1 / 10 ** (stage + 1)})
