"""Only the head is trained; the backbone needs no gradient."""

import torch
from torch import nn

torch.manual_seed(0)
backbone = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.2))
for p in backbone.parameters():
    p.requires_grad = False
backbone.eval()
head = nn.Linear(8, 2)
opt = torch.optim.Adam(head.parameters(), lr=1e-2)
x, y = torch.randn(24, 6), torch.randint(0, 2, (24,))
for epoch in range(4):
    loss = nn.functional.cross_entropy(head(backbone(x)), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
