"""Stochastic depth and layer drop: in some iterations a layer is not used and gets no gradient."""
import random
import torch
from torch import nn

random.seed(0)
torch.manual_seed(0)
layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(4))
head = nn.Linear(8, 1)
opt = torch.optim.Adam([*layers.parameters(), *head.parameters()], 1e-3)
for _ in range(14):
    x = torch.randn(12, 8)
    h = x
    for layer in layers:
        if random.random() < 0.6:
            h = h + torch.tanh(layer(h))
    loss = nn.functional.mse_loss(head(h), x[:, :1] * 0.5)
    opt.zero_grad()
    loss.backward()
    opt.step()
