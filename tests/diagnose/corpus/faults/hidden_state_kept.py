"""The hidden state keeps its graph from batch to batch: the second pass raises."""

import torch
from torch import nn

torch.manual_seed(0)
cell, head = nn.GRUCell(3, 5), nn.Linear(5, 1)
opt = torch.optim.Adam([*cell.parameters(), *head.parameters()], lr=0.01)
hidden = torch.zeros(2, 5)
for t in range(5):
    x, y = torch.randn(2, 3), torch.randn(2, 1)
    # MENDED hidden = hidden.detach()
    hidden = cell(x, hidden)  # CAUSE graph-across-iterations
    loss = nn.functional.mse_loss(head(hidden), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
